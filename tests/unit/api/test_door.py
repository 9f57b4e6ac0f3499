"""Where a page learns that devices connect to, and what its policy allows for it."""

import pytest

from api.door import DeviceDoor
from api.pages import page_policy


def connect_sources(host: str, door: DeviceDoor | None) -> list[str]:
    """Return what a page from this host may connect to."""
    rules = dict(rule.strip().partition(" ")[::2] for rule in page_policy(host, door).split(";"))
    return rules["connect-src"].split()


def test_the_gateways_port_on_the_same_host_is_allowed_and_nothing_more() -> None:
    """Besides the server itself a page may reach the gateway's port, under the name by which the browser came."""
    assert connect_sources("care.example:8443", DeviceDoor(port=8001)) == [
        "'self'", "ws://care.example:8443", "wss://care.example:8443", "ws://care.example:8001", "wss://care.example:8001",
    ]  # fmt: skip
    assert connect_sources("[::1]:8000", DeviceDoor(port=9))[3:] == ["ws://[::1]:9", "wss://[::1]:9"]
    assert connect_sources("care.example", None) == ["'self'", "ws://care.example", "wss://care.example"]


def test_a_gateway_elsewhere_is_allowed_by_its_origin_alone() -> None:
    """An address that the operator gave is named without its path, and the port on this host is not."""
    door = DeviceDoor(port=8001, url="wss://devices.example/devices/stream")
    assert connect_sources("care.example", door)[3:] == ["wss://devices.example"]


@pytest.mark.parametrize("host", ["evil.example; script-src *", "a b", "x" * 300, "*", "", "a:b", "a:1 b"])
def test_a_host_that_is_no_name_gets_into_no_policy(host: str) -> None:
    """A Host that is no name and port adds nothing to the policy."""
    assert connect_sources(host, DeviceDoor(port=8001)) == ["'self'"]


def test_the_description_names_an_address_or_a_port() -> None:
    """A page is told the operator's address, or else the port to try on the server's own host."""
    assert DeviceDoor(port=8001).described() == {
        "url": None, "port": 8001, "path": "/devices/stream", "subprotocol": "pulsera.device.v1+json",
    }  # fmt: skip
    told = DeviceDoor(port=8001, url="wss://devices.example/devices/stream").described()
    assert (told["url"], told["port"]) == ("wss://devices.example/devices/stream", None)

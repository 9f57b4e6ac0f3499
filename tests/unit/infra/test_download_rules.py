"""Which addresses are of the public internet, and which hosts an operator has allowed."""

from ipaddress import ip_address

import pytest

from infra.download import _matches, parse_hosts, public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
        "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254",
        "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "2002:7f00:1::", "2002:a9fe:a9fe::1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808",
        "2001:0:7f00:1::1", "fe80::1%eth0", "2606:4700::1%eth0",
    ],
)  # fmt: skip
def test_what_is_ours_alone_is_not_public(address: str) -> None:
    """Loopback, private, link-local, carrier-grade, multicast, reserved and documentation, however wrapped."""
    assert not public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]
)
def test_what_everybody_reaches_is_public(address: str) -> None:
    """Plain addresses of the internet, and wrapped ones that lead there."""
    assert public(ip_address(address))


def test_hosts_are_named_exactly_or_by_what_they_end_with() -> None:
    """A name stands for itself at the scheme's port, `*.name` for all below it, `:port` for another port."""
    rules = parse_hosts(" Clips.Example., *.cdn.example ,files.example:8443,")
    assert rules == ("clips.example", "*.cdn.example", "files.example:8443")

    def allowed(host: str, port: int = 443) -> bool:
        return any(_matches(rule, host, port, scheme="https") for rule in rules)

    assert allowed("clips.example")
    assert allowed("a.cdn.example")
    assert allowed("files.example", 8443)
    assert not allowed("cdn.example")
    assert not allowed("evilcdn.example")
    assert not allowed("clips.example.evil.test")
    assert not allowed("clips.example", 80)
    assert not allowed("files.example")

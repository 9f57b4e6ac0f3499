"""The doctor tells Pulsera's own ports from a stranger's."""

import socket
from pathlib import Path

from infra.embedded.data_dir import write_run_file
from infra.embedded.doctor import examine
from infra.settings import Settings


def ports_finding(data_dir: Path, port: int) -> tuple[bool, str]:
    """Return what the doctor says of the ports."""
    settings = Settings(data_dir=data_dir, api_port=port, gateway_port=0)
    found = next(one for one in examine(settings) if one.name == "ports")
    return found.ok, found.detail


def test_a_port_of_the_running_system_is_not_in_the_way(tmp_path: Path) -> None:
    """A port in use is named as missing, unless the running `up` of this folder says that it is its own."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        ok, detail = ports_finding(tmp_path, port)
        assert not ok
        assert str(port) in detail
        write_run_file(tmp_path, {}, api=f"http://127.0.0.1:{port}", gateway="ws://127.0.0.1:1")
        assert ports_finding(tmp_path, port)[0]

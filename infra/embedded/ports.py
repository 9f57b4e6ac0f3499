"""Ports of this computer's loopback address: free ones, taken ones, and what answers there."""

import json
import secrets
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

LOOPBACK = "127.0.0.1"
_PROBE_TIMEOUT_S = 0.5
_LOWEST_PORT = 10_240
_LENT_FROM = 32_768
_METADATA = 3
_POSTGRES_PROTOCOL = 196608


def is_free(port: int, *, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on at this moment.

    They lie below those that systems lend to outgoing connections: one of these could be lent before it is listened on.
    """
    chosen: list[int] = []
    candidates = secrets.SystemRandom()
    while len(chosen) < count:
        port = candidates.randrange(_LOWEST_PORT, _LENT_FROM)
        if port not in chosen and is_free(port):
            chosen.append(port)
    return chosen


def remembered_ports(names: Iterable[str], *, file: Path) -> dict[str, int]:
    """A port for each name: the one that `file` remembers where it is still free, else a new one; `file` is updated."""
    before: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    wanted = list(names)
    kept = {name: before[name] for name in wanted if name in before and is_free(before[name])}
    missing = [name for name in wanted if name not in kept]
    ports = kept | dict(zip(missing, free_ports(len(missing)), strict=True))
    if ports != before:
        file.touch(mode=0o600)
        file.write_text(json.dumps(ports))
    return ports


def _ask(port: int, request: bytes, *, most: int) -> bytes:
    """Sends a request to a loopback port and returns up to `most` bytes of the answer; none where nobody answers."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PROBE_TIMEOUT_S) as connection:
            connection.sendall(request)
            return connection.recv(most)
    except OSError:
        return b""


def kafka_answers(port: int) -> bool:
    """Whether a Kafka broker there names itself in its metadata, which it does once it takes work."""
    header = struct.pack(">hhih", _METADATA, 1, 7, -1)
    body = struct.pack(">i", 0)
    request = struct.pack(">i", len(header + body)) + header + body
    answer = _ask(port, request, most=4096)
    brokers_at = 8
    return len(answer) >= brokers_at + 4 and struct.unpack_from(">i", answer, brokers_at)[0] > 0


def postgres_answers(port: int, *, user: str, database: str) -> bool:
    """Whether a PostgreSQL server there asks for a password, which it does once it takes connections."""
    parameters = b"".join(part.encode() + b"\0" for part in ("user", user, "database", database)) + b"\0"
    request = struct.pack(">ii", len(parameters) + 8, _POSTGRES_PROTOCOL) + parameters
    return _ask(port, request, most=1) == b"R"

"""Raw requests for tests of the doors: bytes as no client library would send them."""

import asyncio
import json
from typing import Any

from tests.raw_sockets import closed


class Answer:
    """An HTTP answer: status, headers by lower-case name, body."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        self.status = int(parts[1]) if len(parts) > 1 else 0
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}

    def json(self) -> Any:
        """Return the body."""
        return json.loads(self.body)


async def raw(host: str, data: bytes, *, within_s: float = 10.0) -> Answer:
    """Send bytes and return what came until the end of the connection."""
    name, _, port = host.rpartition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    try:
        writer.write(data)
        async with asyncio.timeout(within_s):
            return Answer(await reader.read(-1))
    finally:
        await closed(writer)


def get(path: str, host: str = "here", **headers: str) -> bytes:
    """Return a GET request whose answer ends the connection."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

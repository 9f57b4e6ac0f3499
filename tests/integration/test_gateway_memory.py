"""What a device's connection leaves in the gateway once it has ended."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from ingest.handshake import _Handshake
from ingest.link import Link
from ingest.session import DeviceSession
from ingest.socket import DeviceSocket
from tests.served_gateway import DEADLINE_S, MemoryLog, Tokens, gateway, hear_ack, message

OF_A_CONNECTION = (DeviceSocket, Link, DeviceSession, _Handshake)


def held() -> list[str]:
    """Return the names of what is held of connections."""
    return [type(one).__name__ for one in gc.get_objects() if type(one) in OF_A_CONNECTION]


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Keep Python's cyclic collector away: what goes in this test goes by reference counts."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("abrupt", [False, True])
async def test_a_connection_that_has_ended_leaves_nothing_for_the_collector(*, abrupt: bool) -> None:
    """Devices that come and go, with a goodbye or without, do not make the gateway grow until cycles are looked for."""
    async with gateway(Tokens("a"), MemoryLog()) as served:
        for _ in range(3):
            async with served.device() as socket:
                await socket.send(message(1))
                await hear_ack(socket, 1)
                assert held()
                if abrupt:
                    socket.transport.abort()
        async with asyncio.timeout(DEADLINE_S):
            while held():  # noqa: ASYNC110 - what is freed tells no event
                await asyncio.sleep(0.05)

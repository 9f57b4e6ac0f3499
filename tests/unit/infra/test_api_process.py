"""The API's process: what happens to it when one of its own tasks fails."""

import asyncio

import pytest

from api.app import create_app
from infra.api_process import ApiProcess, bind, serve
from infra.fuzz.live_world import live_ports
from schemas.errors import ContractError


async def test_a_task_that_fails_ends_the_process_with_its_error() -> None:
    """Without its own tasks an API would believe old grants for ever: it stops instead, and is started again."""
    ports = live_ports()

    async def recheck() -> None:
        await asyncio.sleep(0)
        raise ContractError("The database refuses this.")

    task = asyncio.create_task(recheck())
    process = ApiProcess(app=create_app(ports), hub=ports.hub, tasks=[task])
    with pytest.raises(ContractError):
        async with asyncio.timeout(10):
            await serve(process, bind("127.0.0.1", 0), asyncio.Event())
    assert ports.hub.draining

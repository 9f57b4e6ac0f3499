"""Zones for `pulsera bench reads`: twenty of them, a month of what was told of each, and what is asked."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import h3
import httpx
import msgspec

from infra.kafka.publisher import KafkaPublisher
from infra.timescale.filling import Filling
from schemas.topics import ZONES as ZONES_TOPIC
from schemas.topics import partition_of
from schemas.zones import AREA, AREA_NAME, BIN_MS, ZoneStatus, encode
from stream_processors.ports import Emission

ZONES: Final = 20
_ABOVE: Final = 999
"""Added to the revision: more than the zones' worker has told of the same bin, in which it sees nobody."""
_RINGS: Final = 3
_CENTRE: Final = (52.52, 13.40)
_BINS: Final = 28 * 86_400_000 // BIN_MS


async def make_zones(api: str, token: str, filling: Filling) -> None:
    """Define zones that the token's user may see, with four weeks of statuses of them and of the area; made values."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=api, headers=headers, timeout=60) as client:
        me = (await client.get("/me")).raise_for_status().json()["user_id"]
        cells = sorted(h3.grid_disk(h3.latlng_to_cell(*_CENTRE, 8), _RINGS))
        for number in range(ZONES):
            made = await client.post(
                "/community/zones", json={"name": f"bench {number}", "zone_id": _id(number), "cells": cells}
            )
            made.raise_for_status()
        for zone_id in (AREA, *map(_id, range(ZONES))):
            path = f"/community/zones/{zone_id}/people/{me}"
            (await client.put(path, json={"scopes": ["status"]})).raise_for_status()
    newest_ms = int(time.time() * 1000) // BIN_MS * BIN_MS - BIN_MS
    for zone_id, name in _zones():
        await filling.add_statuses(msgspec.json.encode(_status(zone_id, name, newest_ms)).decode(), _BINS)
    await asyncio.to_thread(_wait_until_seen, api, headers)


async def tell_zones(bootstrap: str) -> None:
    """Tell on the log how each zone stands now, as the zones' worker does every five minutes."""
    newest_ms = int(time.time() * 1000) // BIN_MS * BIN_MS - BIN_MS
    publisher = KafkaPublisher(bootstrap)
    try:
        await publisher.publish([_record(_status(zone_id, name, newest_ms)) for zone_id, name in _zones()])
    finally:
        await publisher.close()


def _record(status: ZoneStatus) -> Emission:
    told = msgspec.structs.replace(status, revision=status.revision + _ABOVE)
    key = status.zone_id.encode()
    return Emission(topic=ZONES_TOPIC.name, partition=partition_of(key), key=b"zone:" + key, value=encode(told))


def _zones() -> list[tuple[str, str]]:
    return [(AREA, AREA_NAME), *((_id(number), f"bench {number}") for number in range(ZONES))]


def zone_questions() -> dict[str, Callable[[int], str]]:
    """Return what is asked of the zones: a path for the n-th time that it is asked."""
    return {
        "status of a zone": lambda number: f"/community/zones/{_id(number % ZONES)}/status",
        "summary of all zones": lambda _: "/community/summary",
        "history of a zone, newest 100": lambda number: f"/community/zones/{_id(number % ZONES)}/history?limit=100",
    }


def _id(number: int) -> str:
    return f"bench-{number}"


def _status(zone_id: str, name: str, bin_ms: int) -> ZoneStatus:
    return ZoneStatus(
        zone_id=zone_id,
        name=name,
        version=1,
        revision=bin_ms // BIN_MS * 1_000,
        bin_ms=bin_ms,
        state="ok",
        level="usual",
        coverage="good",
        recurrence="on most days",
        smallest_visible=0.1,
        cells=() if zone_id == AREA else None,
    )


def _wait_until_seen(api: str, headers: dict[str, str]) -> None:
    """Return once the API knows of the grants, which it looks for every second."""
    deadline = time.monotonic() + 30
    path = f"{api}/community/zones/{_id(ZONES - 1)}/status"
    while httpx.get(path, headers=headers).status_code != httpx.codes.OK and time.monotonic() < deadline:
        time.sleep(0.2)

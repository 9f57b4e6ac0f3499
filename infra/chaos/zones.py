"""Zones under a chaos run: a place where everybody is, who sees how it stands, and who of two workers is active."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h3
import httpx

from infra.chaos.carer import Carer
from infra.chaos.system import System, second_workers

PLACE: Final = (52.52, 13.40)
"""Where the devices of the load are."""
ZONE: Final = "chaos"
WATCHED: Final = ("area", ZONE)
_RESOLUTION: Final = 8


class ZoneScreen(Carer):
    """A page that follows zones: every body that it was shown of each (zone, revision)."""

    topic = "zones"

    def __init__(self, api: str, token: str, *, seed: int) -> None:
        super().__init__(api, token, seed=seed)
        self.told: defaultdict[tuple[str, int], set[str]] = defaultdict(set)

    def _snapshot(self, items: Sequence[dict[str, Any]]) -> None:
        """Take none: how zones stand at a moment depends on the moment."""

    def _see(self, shown: dict[str, Any]) -> None:
        if "revision" in shown:
            self.told[shown["zone_id"], shown["revision"]].add(json.dumps(shown, sort_keys=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneWatch:
    """Who watches the zones, and where their workers say how they are."""

    screen: ZoneScreen
    workers: Sequence[str]

    async def is_level(self, since_ms: int) -> bool:
        """Return whether the active worker has taken in what was scored at a moment."""
        async with httpx.AsyncClient(timeout=2) as client:
            for worker in self.workers:
                try:
                    told = (await client.get(worker)).json()
                except httpx.HTTPError:
                    continue  # the other one may be active
                if told.get("role") == "active" and (told.get("reached_ms") or 0) > since_ms:
                    return True
        return False


async def make_zone(system: System) -> None:
    """Define the zone around the place, and let the administrator see it and the whole area."""
    headers = {"Authorization": f"Bearer {system.token}"}
    cells = sorted(h3.grid_disk(h3.latlng_to_cell(*PLACE, _RESOLUTION), 1))
    async with httpx.AsyncClient(base_url=system.api, headers=headers, timeout=60) as client:
        me = (await client.get("/me")).raise_for_status().json()["user_id"]
        body = {"name": "Chaos", "zone_id": ZONE, "cells": cells}
        (await client.post("/community/zones", json=body)).raise_for_status()
        for zone in WATCHED:
            grant = await client.put(f"/community/zones/{zone}/people/{me}", json={"scopes": ["status"]})
            grant.raise_for_status()


@asynccontextmanager
async def watched_zones(system: System, folder: Path, *, seed: int) -> AsyncIterator[ZoneWatch]:
    """Define the zone, follow it, and run a second worker as standby, until the context ends."""
    await make_zone(system)
    screen = ZoneScreen(system.api, system.token, seed=seed)
    following = asyncio.create_task(screen.run())
    own = str(system.ready["metrics"]["zones"]).removesuffix("/metrics") + "/health"
    try:
        async with second_workers(system, folder, ["zones"]) as health:
            yield ZoneWatch(screen=screen, workers=(own, health["zones"]))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

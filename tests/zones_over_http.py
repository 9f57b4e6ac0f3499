"""Zones for tests of the API: defined and shared over HTTP, their statuses written as storage and the family do."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from infra.api_process import utc_now
from schemas import zones
from schemas.episodes import Episode, Evidence, Subject, episode_id
from schemas.topics import ZONES, partition_of
from schemas.zones import BIN_MS, ZoneStatus
from stream_processors.ports import Emission
from tests.api_server import DEADLINE_S, RunningApi

CELLS = ["881f8d4c37fffff", "881f8d4c33fffff"]


def newest_bin_ms() -> int:
    """Return the start of the newest bin that can be closed."""
    return (int(utc_now().timestamp() * 1000) // BIN_MS - 2) * BIN_MS


def status(zone: str = "old-town", **changes: Any) -> ZoneStatus:
    """Return a status of a zone where nothing is unusual."""
    values: dict[str, Any] = {
        "zone_id": zone,
        "name": "Old town",
        "version": 1,
        "revision": 1,
        "bin_ms": newest_bin_ms(),
        "state": "ok",
        "level": "usual",
        "coverage": "good",
        "recurrence": "on most days",
        "smallest_visible": 0.1,
    }
    return ZoneStatus(**{**values, **changes})


async def store(pool: asyncpg.Pool, *told: ZoneStatus) -> None:
    """Write statuses as storage does."""
    for one in told:
        at = datetime.fromtimestamp(one.bin_ms / 1000, UTC)
        body = zones.encode(one).decode()
        await pool.execute("INSERT INTO zone_status VALUES ($1, $2, $3, $4)", one.zone_id, at, one.revision, body)


async def define(api: RunningApi, zone: str = "old-town", cells: Any = CELLS) -> None:
    """Define a zone."""
    async with api.client(api.admin) as admin:
        answer = await admin.post("/community/zones", json={"zone_id": zone, "name": "Old town", "cells": cells})
        assert answer.status_code == 201, answer.text


async def told_as(client: httpx.AsyncClient, zone: str, level: str) -> dict[str, Any]:
    """Return the zone's status once it is of this level."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found: dict[str, Any] = (await client.get(f"/community/zones/{zone}/status")).json()
            if found["level"] == level:
                return found
            await asyncio.sleep(0.1)


async def watcher(api: RunningApi, *scopes: str, zone: str = "old-town") -> tuple[UUID, str]:
    """Add a user with a grant for a zone; return the id and the token."""
    user, token = await api.carer()
    async with api.client(api.admin) as admin:
        answer = await admin.put(f"/community/zones/{zone}/people/{user}", json={"scopes": list(scopes)})
        assert answer.status_code == 204, answer.text
    return user, token


def zone_episode(zone: str = "old-town", **changes: Any) -> Episode:
    """Return an open episode of a zone."""
    subject, onset_ms = Subject(zone=zone), newest_bin_ms()
    values: dict[str, Any] = {
        "episode_id": episode_id(subject, "zone.count", onset_ms),
        "subject": subject,
        "condition": "zone.count",
        "type": "physiological",
        "phase": "opened",
        "tier": 2,
        "writer": "zones",
        "revision": 1,
        "pages": True,
        "onset_ms": onset_ms,
        "changed_ms": onset_ms,
        "reason": "More wearers than usual are flagged.",
        "evidence": Evidence(rule="zone.count"),
        "decided_received_ms": onset_ms,
        "decided_append_ms": onset_ms,
    }
    return Episode(**{**values, **changes})


async def publish(api: RunningApi, *statuses: ZoneStatus) -> None:
    """Append statuses to the log as the zones family does."""
    await api.publisher.publish(
        [
            Emission(
                topic=ZONES.name,
                partition=partition_of(one.zone_id.encode()),
                key=f"zone:{one.zone_id}".encode(),
                value=zones.encode(one),
            )
            for one in statuses
        ]
    )

"""A city for tests of the zones page: zones made by the API, and what is told of them as records of `zones.v1`."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import h3
import httpx

from infra.kafka.publisher import KafkaPublisher
from schemas import episodes, zones
from schemas.episodes import Episode, Evidence, Subject, episode_id
from schemas.topics import EPISODES, ZONES, Topic, partition_of
from schemas.zones import AREA, AREA_NAME, BIN_MS, CellStatus, Level, ZoneStatus
from stream_processors.ports import Emission
from tests.running_system import RunningSystem

PLACES: Final = {
    "old-town": ("Old Town", 52.515, 13.40, 3),
    "harbour": ("Harbour and the long quay", 52.47, 13.47, 3),
    "hill-school": ("Hill School", 52.55, 13.34, 1),
    "north": ("North", 52.57, 13.45, 2),
}
"""Name, latitude, longitude, and how many rings of cells."""
RECURRENCE: Final = {
    "usual": (1.0, "about once a day"),
    "elevated": (30.0, "about once a month"),
    "warning": (91.0, "about once a quarter"),
    "critical": (365.0, "about once a year"),
    "too_few_wearers": (None, "on most days"),
}
PAST_BINS: Final = 36


def newest_bin_ms() -> int:
    """Return the start of the newest bin that can be told."""
    return (int(time.time() * 1000) // BIN_MS - 1) * BIN_MS


def status(zone: str, level: str, *, bin_ms: int | None = None, **changes: Any) -> ZoneStatus:
    """Return how a zone stands, as its family would tell it."""
    at = newest_bin_ms() if bin_ms is None else bin_ms
    days, words = RECURRENCE[level]
    seen = level not in {"usual", "too_few_wearers"}
    values: dict[str, Any] = {
        "zone_id": zone,
        "name": AREA_NAME if zone == AREA else PLACES[zone][0],
        "version": 1,
        "revision": time.time_ns(),
        "bin_ms": at,
        "state": "ok",
        "level": level,
        "coverage": "too_few" if level == "too_few_wearers" else "good",
        "recurrence": words,
        "recurrence_days": days,
        "test": "count" if seen else None,
        "window_min": 30 if seen else None,
        "smallest_visible": None if level == "too_few_wearers" else 0.05,
    }
    return ZoneStatus(**{**values, **changes})


def partition() -> list[CellStatus]:
    """Return the cells of the whole area: some of each level, counts where they may be told."""
    mix: list[Level] = ["usual", "elevated", "usual", "warning", "usual", "too_few_wearers", "usual", "usual", "usual"]
    middle = h3.cell_to_parent(h3.latlng_to_cell(52.515, 13.40, 8), 7)
    found = []
    for number, cell in enumerate(sorted(h3.grid_disk(middle, 4))):
        level: Level = "critical" if number % 31 == 12 else mix[number * 7 % len(mix)]
        active = None if level == "too_few_wearers" else (22, 50, 100, 200, 500)[number * 3 % 5]
        flagged = None if active is None else (None, None, 11)[number % 3]
        found.append(CellStatus(cell=cell, level=level, active=active, flagged=flagged))
    return found


def answered(ask: Callable[[], httpx.Response], within_s: float = 60.0) -> httpx.Response:
    """Return the first answer that is not "come again", as a busy machine's database gives it; 409: done before."""
    deadline = time.monotonic() + within_s
    while (answer := ask()).status_code == httpx.codes.SERVICE_UNAVAILABLE and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer if answer.status_code == httpx.codes.CONFLICT else answer.raise_for_status()


@dataclass
class City:
    """A running system with named zones that its administrator may see."""

    system: RunningSystem
    cells: list[CellStatus] = field(default_factory=partition)
    told_bin_ms: int = 0

    def found(self) -> None:
        """Make the zones, share them and the whole area with the administrator, and tell three hours of their past."""
        with self.system.client() as client:
            me = answered(partial(client.get, "/me")).json()["user_id"]
            for zone, (name, latitude, longitude, rings) in PLACES.items():
                cells = h3.grid_disk(h3.latlng_to_cell(latitude, longitude, 8), rings)
                made = {"zone_id": zone, "name": name, "cells": sorted(cells)}
                answered(partial(client.post, "/community/zones", json=made))
            for zone in (AREA, *PLACES):
                grant = {"scopes": ["status", "alerts", "act"]}
                answered(partial(client.put, f"/community/zones/{zone}/people/{me}", json=grant))
        self.told_bin_ms = newest_bin_ms()
        self.tell(*[one for back in reversed(range(PAST_BINS)) for one in self.standing(back)])

    def keep_up(self) -> None:
        """Tell how all zones stand in a newer bin before the system's own worker does, who has heard of nobody here."""
        if newest_bin_ms() > self.told_bin_ms:
            self.told_bin_ms = newest_bin_ms()
            self.tell(*self.standing(0))

    def standing(self, back: int) -> list[ZoneStatus]:
        """Return how all zones stood so many bins ago: the old town became critical half an hour ago."""
        at = newest_bin_ms() - back * BIN_MS
        old_town = "critical" if back < 6 else "warning" if back < 9 else "usual"
        wave = "elevated" if math.sin(back / 3) > 0.8 else "usual"
        return [
            status(
                "old-town",
                old_town,
                bin_ms=at,
                labels=("activity",),
                possible=("firmware",),
                active_episodes=int(old_town == "critical"),
            ),
            status("harbour", wave, bin_ms=at, coverage="fair", smallest_visible=0.1),
            status("hill-school", "too_few_wearers", bin_ms=at),
            status("north", "usual", bin_ms=at, coverage="thin", smallest_visible=0.35, state="delayed"),
            status(AREA, "warning" if back < 6 else "usual", bin_ms=at, cells=tuple(self.cells)),
        ]

    def tell(self, *told: ZoneStatus) -> None:
        """Append statuses to their topic, in order."""
        self.append(ZONES, [(one.zone_id, zones.encode(one)) for one in told])

    def alarm(self, zone: str) -> None:
        """Append an open episode of a zone, of which an alert is made."""
        subject, onset_ms = Subject(zone=zone), newest_bin_ms()
        reason = f"More wearers than chance allows are in distress in {PLACES[zone][0]}: by chance about once a year."
        opened = Episode(
            episode_id=episode_id(subject, "zone.count", onset_ms),
            subject=subject,
            condition="zone.count",
            type="physiological",
            phase="opened",
            tier=2,
            writer="zones",
            revision=1,
            pages=True,
            onset_ms=onset_ms,
            changed_ms=onset_ms,
            reason=reason,
            evidence=Evidence(rule="zone.count", place=PLACES[zone][0], recurrence_days=365.0, window_min=30),
            decided_received_ms=onset_ms,
            decided_append_ms=onset_ms,
        )
        self.append(EPISODES, [(zone, episodes.encode(opened, time=datetime.now(UTC).isoformat()))])

    def append(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        """Append records of zones to a topic, in order."""
        with ThreadPoolExecutor(1) as beside_the_browser:  # whose driver occupies this thread's loop
            beside_the_browser.submit(asyncio.run, self._append(topic, records)).result()

    async def _append(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        publisher = KafkaPublisher(self.system.ready["kafka"])
        emissions = [
            Emission(topic=topic.name, partition=partition_of(zone.encode()), key=f"zone:{zone}".encode(), value=value)
            for zone, value in records
        ]
        try:
            await publisher.publish(emissions)
        finally:
            await publisher.close()

    @property
    def origin(self) -> str:
        """Host and port of the system, which every request of its pages goes to."""
        return urlsplit(self.system.api).netloc

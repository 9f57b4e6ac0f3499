"""What a made city gives is put into figures as it lies on the topics, and nothing found is said as such."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from infra.zones.end_to_end import happenings_of, last_bin_s, told
from infra.zones.hearing import Heard
from ingest.client.happenings import Happening
from schemas import episodes, scores, zones
from schemas.episodes import Episode, Evidence, Subject
from schemas.scores import BIN_MS, SCORE_SCHEMA
from schemas.topics import EPISODES, PARTITIONS, SCORES, ZONES
from schemas.zones import Label, ZoneStatus
from stream_processors.ports import Record

START_MS = 1_795_248_000_000
CELL = 0x881F8D4A03FFFFF
CRUSH = Happening(kind="crush", begins_min=20, lasts_min=10)
ACTIVITY = Happening(kind="activity", begins_min=100, lasts_min=10)


def record(topic: str, value: bytes, *, at_min: float = 0.0, partition: int = 0) -> Record:
    """Return a record appended so long after the city's start."""
    append_ms = START_MS + round(at_min * 60_000)
    return Record(topic=topic, partition=partition, offset=0, append_ms=append_ms, key=None, value=value)


def frame(wearers: int, *, clock_ms: int, flagged: int = 0) -> bytes:
    """Return scored bins of the first 5 s of so many wearers, the first of them flagged."""
    rows = [
        {
            "wearer": number.to_bytes(16, "big"), "bin": START_MS * 1000, "bin_ms": BIN_MS, "score": 0.5, "tier": 0,
            "tier0": number < flagged, "tier0_rate": 0.01, "cell": CELL, "model": "m", "readings": 1, "late": 0,
            "backfill": 0, "received": START_MS * 1000, "z_heart_rate": 0.25,
        }
        for number in range(wearers)
    ]  # fmt: skip
    return scores.encode(pa.RecordBatch.from_pylist(rows, schema=SCORE_SCHEMA), clock_ms=clock_ms)


def status(zone_id: str, **fields: Any) -> bytes:
    """Return a status of a zone."""
    made = ZoneStatus(
        zone_id=zone_id, name=zone_id, version=1, revision=1, bin_ms=START_MS, state="ok", level="usual",
        coverage="thin", recurrence="less than a day",
    )  # fmt: skip
    return zones.encode(msgspec.structs.replace(made, **fields))


def episode(
    *, zone: str | None = "simulated-centre", labels: tuple[Label, ...] = (), possible: tuple[Label, ...] = (),
    phase: str = "opened",
) -> bytes:  # fmt: skip
    """Return an episode of a zone, or of a wearer."""
    subject = Subject(zone=zone) if zone else Subject(wearer=episodes.EPISODE_NAMESPACE)
    made = Episode(
        episode_id=episodes.EPISODE_NAMESPACE, subject=subject, condition="zone.count" if zone else "heart_rate.high",
        type="physiological", phase=phase, tier=2, writer="zones", revision=1, pages=True,  # type: ignore[arg-type]
        onset_ms=START_MS, changed_ms=START_MS, reason="r",
        evidence=Evidence(labels=list(labels), possible=list(possible)),
        decided_received_ms=START_MS, decided_append_ms=START_MS,
    )  # fmt: skip
    return episodes.encode(made, time="2026-11-21T08:00:00Z")


def heard_bins() -> Heard:
    """Return what was heard of one bin with 12 wearers, two of them flagged."""
    heard = Heard()
    heard.take(record(SCORES.name, frame(12, clock_ms=START_MS + 5_000, flagged=2)))
    for partition in range(PARTITIONS):
        heard.take(record(SCORES.name, frame(0, clock_ms=START_MS + 420_000), partition=partition))
    return heard


def test_bins_are_counted_with_who_was_in_them() -> None:
    """Wearers, flags, what was expected and the mean deviate are those of the closed bins."""
    heard = heard_bins()
    heard.take(record(ZONES.name, status(zones.AREA)))
    heard.take(record(ZONES.name, status(zones.AREA, state="delayed", bin_ms=START_MS + 300_000)))
    heard.take(record(ZONES.name, status("simulated-centre", level="too_few_wearers")))
    heard.take(record(ZONES.name, b""))
    figures = heard.figures()
    assert (figures["bins_closed"], figures["bins_of_scores"], figures["bins_delayed"]) == (1, 1, 1)
    assert figures["wearers_a_bin"] == {"least": 12, "median": 12.0, "most": 12}
    assert figures["flags_a_bin"] == {"least": 2, "median": 2.0, "most": 2}
    assert figures["flags_expected_a_bin"] == pytest.approx(0.12, abs=0.001)
    assert (figures["judged_share"], figures["mean_deviate_a_bin"]) == (1.0, [0.25])
    assert (figures["rows_scored"], figures["rows"], figures["rows_late"]) == (12, 12, 0)
    assert figures["levels"] == {"area": {"usual": 2}, "simulated-centre": {"too_few_wearers": 1}}


def test_nothing_heard_has_no_figures() -> None:
    """Without a bin there is no mean of anything."""
    figures = Heard().figures()
    assert figures["wearers_a_bin"] is figures["flags_expected_a_bin"] is figures["judged_share"] is None
    assert figures["bins_closed"] == figures["rows"] == 0


@pytest.mark.parametrize(
    ("at_min", "labels", "of"),
    [(19.9, (), "chance"), (22.0, (), "crush"), (60.0, (), "crush"), (60.1, (), "chance"),
     (105.0, ("activity",), "activity"), (22.0, ("activity",), "crush")],
)  # fmt: skip
def test_an_alarm_is_of_what_was_under_way(at_min: float, labels: tuple[Label, ...], of: str) -> None:
    """An alarm during a happening, or half an hour after it, is told to be of it; any other is chance."""
    heard = Heard()
    heard.take(record(EPISODES.name, episode(labels=labels, possible=("firmware",)), at_min=at_min))
    heard.take(record(EPISODES.name, episode(phase="updated"), at_min=at_min))
    heard.take(record(EPISODES.name, episode(zone=None), at_min=at_min))
    [alarm] = heard.alarms([CRUSH, ACTIVITY], START_MS)
    assert (alarm.of, alarm.labels, alarm.zone) == (of, labels, "simulated-centre")
    assert alarm.possible == ("firmware",)
    assert heard.figures()["wearer_episodes"] == 1


@pytest.mark.parametrize("minutes", [10.0, 24.0, 60.0, 600.0])
def test_the_event_lies_where_wearers_are_judged_and_before_the_decoy(minutes: float) -> None:
    """The event begins once wearers are judged where there is time for that, the decoy after it and before the end."""
    event, decoy = happenings_of(minutes, "heat", "firmware")
    assert event.begins_min < decoy.begins_min < minutes
    assert event.begins_min == (26.0 if minutes >= 31 else 0.4 * minutes)


@pytest.mark.parametrize(("into_s", "waits_s"), [(0, 450.0), (1, 449.0), (299, 151.0)])
def test_the_bin_in_which_the_city_ends_is_waited_for(into_s: int, waits_s: float) -> None:
    """What is followed goes on until two minutes and a half after the end of that bin."""
    assert last_bin_s(START_MS + into_s * 1000) == waits_s


def test_nothing_found_is_said() -> None:
    """Without an alarm the words say so, and why an hour may show none; no field of the report is NaN."""
    report = {
        "wearers": 12, "minutes": 60.0, "seed": 1, "event_delay_s": None, "alarms": [], "cpu": {"zones": 0.01},
        "happened": [{"kind": one, "begins_min": 1.0, "lasts_min": 2.0, "wearers": 3} for one in ("heat", "backfill")],
        **heard_bins().figures(),
    }  # fmt: skip
    words = told(report)
    assert "Nothing was found." in words
    assert "no zone alarm told of it" in words
    assert not np.isnan([value for value in report.values() if isinstance(value, float)]).any()
    found = {
        "zone": "area", "condition": "zone.count", "tier": 2, "labels": [], "possible": ["activity"], "at_min": 4.0,
        "of": "heat",
    }  # fmt: skip
    words = told(report | {"alarms": [found], "event_delay_s": 180.0})
    assert "an alarm after 180 s" in words
    assert "labels possible: activity (heat)" in words
    assert "Nothing was found" not in words

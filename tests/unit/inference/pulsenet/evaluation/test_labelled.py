"""Recordings with labels of real people."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from inference.pulsenet.calibration import TIER_RATES
from inference.pulsenet.evaluation.campaign import Plan, looked_at
from inference.pulsenet.evaluation.detectors.engine import Engine
from inference.pulsenet.evaluation.intervals import poisson, proportion
from inference.pulsenet.evaluation.labelled import icu, onsets, stress
from inference.pulsenet.evaluation.origin import BLIND, FAULTS, LABELLED
from inference.pulsenet.evaluation.protocol import Judgement, Sided
from inference.pulsenet.series import HEART_RATE, Series
from inference.recordings.welltory import Day, Participant
from inference.slots import Ints
from schemas.errors import RecordingError
from tests.unit.inference.pulsenet.evaluation.made import recording

_HZ = 250.0


class _Scripted(Engine):
    """Judges from the third minute on, is beyond its threshold of 1 in the fifth, and alerts as it was told."""

    def __init__(self, alerts: Mapping[str, Sequence[int]]) -> None:
        self._alerts = alerts
        self.given: list[Series] = []

    def judge(self, series: Sequence[Series]) -> Sequence[Judgement]:
        self.given += series
        told = []
        for one in series:
            score = np.full(one.minutes, 0.5)
            score[:2] = np.nan
            score[4:5] = 1.0
            line = Sided(high=np.ones(one.minutes), low=np.ones(one.minutes))
            told.append(Judgement(scores=Sided(high=score, low=-score), thresholds={TIER_RATES[0]: line}, others={}))
        return told

    def alerts(self, series: Sequence[Series]) -> Sequence[Mapping[str, Ints]]:
        return [{name: np.array(at, dtype=np.int64) for name, at in self._alerts.items()} for _ in series]


def _record(folder: Path, at_s: list[float], *, seconds: int) -> Path:
    """Write a record of one lead with a narrow peak at each beat."""
    lead = np.random.default_rng(1).normal(0.0, 20.0, int(seconds * _HZ))
    for one in at_s:
        place = round(one * _HZ)
        lead[place - 3 : place + 4] += 1000.0 * np.hanning(7)
    (folder / "a1.mat").write_bytes(bytes(24) + lead.astype("<i2").tobytes())
    header = folder / "a1.hea"
    header.write_text(f"a1 1 250 {len(lead)}\na1.mat 16+24 1000/mV 16 0 0 0 0 II\n#Asystole\n#False alarm\n")
    return header


def test_beats_of_an_ecg_are_found_where_they_are(tmp_path: Path) -> None:
    """Every one of a made lead, to a fiftieth of a second, with the header's remarks."""
    at_s = [1.0 + 0.5 * beat for beat in range(100)]
    record = icu.read(_record(tmp_path, at_s, seconds=60))
    assert record.remarks == ("Asystole", "False alarm")
    assert record.leads == ("II",)
    found = icu.beats_s(record.signals[:, 0], record.hz)
    assert len(found) == len(at_s)
    assert np.abs(found - at_s).max() < 0.02


def test_beats_are_told_as_they_are_and_over_and_over_with_a_gap_that_stays_one(tmp_path: Path) -> None:
    """A minute in which no interval ended is not measured, and no rate repeats itself to the last digit."""
    at_s = [1.0 + 0.5 * beat for beat in range(98)] + [130.0 + 0.5 * beat for beat in range(98)]
    engine = _Scripted({"heart_rate.low": [1, 2], "heart_rate.high": [2], "night": []})
    told = icu.told(engine, _record(tmp_path, at_s, seconds=185))
    assert told["beats"] == len(at_s)
    assert told["longest_pause_s"] == pytest.approx(130.0 - 49.5, abs=0.02)
    low, high = told["heart_rate_bpm"]
    assert 115.0 < low <= high < 121.0
    assert told["as_it_is"] == {"data": "real", "minutes": 3, "judged_min": 1, "slow_heart": 2,
                                "others": {"heart_rate.high": 1}}  # fmt: skip
    assert (told["for_an_hour"]["data"], told["for_an_hour"]["minutes"]) == ("semi", icu.HOUR_MIN)
    once, looped = (one.values[:, HEART_RATE] for one in engine.given)
    assert np.flatnonzero(np.isnan(once)).tolist() == [1]
    assert np.isnan(looped[1::3]).all()
    known = looped[np.isfinite(looped)]
    assert len(np.unique(known)) == len(known)
    assert np.allclose(looped[::3] - once[0], icu.DRIFT_BPM * np.arange(0, icu.HOUR_MIN, 3))


def test_a_record_without_a_heart_rate_is_said(tmp_path: Path) -> None:
    """One in which nothing beats, and one that is too short to be looked at, are named."""
    header = _record(tmp_path, [], seconds=20)
    (tmp_path / "a1.mat").write_bytes(bytes(24 + 2 * int(20 * _HZ)))
    with pytest.raises(RecordingError, match=r"a1\.hea holds 0 beats in lead II: no heart rate"):
        icu.beats(header)
    header.write_text(header.read_text().replace(f" {int(20 * _HZ)}\n", " 5\n"))
    (tmp_path / "a1.mat").write_bytes(bytes(24 + 2 * 5))
    with pytest.raises(RecordingError, match=r"a1\.hea is too short"):
        icu.beats(header)


def _stressed(name: str, stress_min: Sequence[int], *, labels: bool = True, measured: bool = True) -> SimpleNamespace:
    """Ten minutes of somebody, with a label of each second."""
    series = recording(np.full(10, 70.0 if measured else np.nan), name=name)
    second = np.arange(600)
    told = SimpleNamespace(time_s=series.first_minute * 60 + second, stress=np.isin(second // 60, stress_min) * 1.0)
    series.values[list(stress_min), HEART_RATE] += 8.0
    return SimpleNamespace(series=series, labels=told if labels else None)


def test_stress_is_told_by_minutes_of_a_task_and_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Judged minutes, alerts and minutes beyond are each of their side; who taught, or has no labels, is left out."""
    people = [_stressed("S21", [3, 4, 5]), _stressed("S22", []), _stressed("S01", [3]),
              _stressed("S23", [3], labels=False)]  # fmt: skip
    monkeypatch.setattr(stress, "people", lambda _folder: people)
    engine = _Scripted({"heart_rate.high": [4], "night": [7]})
    told = stress.told(engine, tmp_path, learned=("S01",))
    assert told["people"] == ["S21", "S22"] == [one.name for one in engine.given]
    during = told["during"]
    task, rest = during["stress task"], during["baseline and rest"]
    assert (task["minutes"], task["judged_min"], task["alerts"], task["minutes_beyond"]) == (3, 3, 1, 1)
    assert (rest["minutes"], rest["judged_min"], rest["alerts"], rest["minutes_beyond"]) == (17, 13, 3, 1)
    assert (task["heart_rate_bpm"], rest["heart_rate_bpm"]) == (78.0, 70.0)
    assert task["alerts_an_hour_ci95"] == [round(bound, 3) for bound in poisson(1, 3 / 60)]


def test_stress_without_a_task_or_without_anybody_has_no_estimate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No minute of a task has neither a heart rate nor an interval; nobody at all is said."""
    monkeypatch.setattr(stress, "people", lambda _folder: [_stressed("S21", [], measured=False)])
    task = stress.told(_Scripted({"night": []}), tmp_path, learned=())["during"]["stress task"]
    assert (task["minutes"], task["heart_rate_bpm"], task["alerts_an_hour_ci95"]) == (0, None, None)
    told = stress.told(_Scripted({}), tmp_path, learned=("S21",))
    assert told["no_estimate"].startswith("no estimate, because nobody with labels")


def test_whoever_has_labels_is_looked_at_by_the_task_of_the_labels_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of whom its figures are: nobody who taught, without labels, or whose onset cannot be looked for."""
    people = [_stressed("S01", [3]), _stressed("S21", [3]), _stressed("S22", [3], labels=False)]
    ill = _person(dict.fromkeys(range(40), 60.0), onset=30)
    monkeypatch.setattr(stress, "people", lambda _folder: people)
    monkeypatch.setattr(onsets, "read", lambda _folder: [ill, replace(ill, name="q", onset=None)])
    plan = Plan(fitbit=tmp_path, stress_predict=tmp_path, welltory=tmp_path, wfdb=tmp_path / "a1.hea")
    assert looked_at(plan, [LABELLED]) == ["S21", "p", "a1"]
    assert looked_at(plan, [FAULTS, BLIND]) == []
    assert looked_at(Plan(fitbit=tmp_path), [LABELLED]) == []


def test_what_is_no_header_is_said(tmp_path: Path) -> None:
    """Words, a missing file of samples, and another format are refused by name."""
    header = tmp_path / "x.hea"
    for text in (
        "",
        "x 1 250 10\nx.dat 212 200 11 1024 0 0 0 MLII\n",
        "x 1 250 10\nnone.mat 16+24 1/mV 16 0 0 0 0 II\n",
    ):
        header.write_text(text)
        with pytest.raises(RecordingError, match=r"x\.hea is"):
            icu.read(header)


def _person(rates: dict[int, float], *, onset: int | None) -> Participant:
    first = date(2020, 3, 1)
    days = tuple(
        Day(day=first + timedelta(days=day), resting_heart_rate_bpm=rate, heart_rate_bpm=np.nan,
            lowest_heart_rate_bpm=np.nan, highest_heart_rate_bpm=np.nan, spo2_percent=np.nan,
            body_temperature_cel=np.nan, steps=np.nan)
        for day, rate in sorted(rates.items())
    )  # fmt: skip
    return Participant(name="p", onset=None if onset is None else first + timedelta(days=onset), spots=(), days=days)


def test_an_onset_is_found_by_two_days_running_that_are_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One raised day is none, two beside one another are a hit around the onset and a false one elsewhere."""
    calm = dict.fromkeys(range(40), 60.0)
    found = _person(calm | {30: 65.0, 31: 65.0}, onset=30)
    single = _person(calm | {30: 65.0}, onset=30)
    elsewhere = _person(calm | {15: 65.0, 16: 65.0, 17: 65.0}, onset=30)
    short = _person(dict.fromkeys(range(28, 33), 60.0), onset=30)
    monkeypatch.setattr(onsets, "read", lambda _folder: [found, single, elsewhere, short, _person(calm, onset=None)])
    told = onsets.told(tmp_path)
    assert (told["people"], told["with_onset"], told["usable"]) == (5, 4, 3)
    assert (told["found"], told["elsewhere"]) == (1, 1)
    assert told["elsewhere_days"] == 3 * (40 - 15 - 7)
    assert told["model"].startswith("no estimate, because")
    monkeypatch.setattr(onsets, "read", lambda _folder: [short])
    assert onsets.told(tmp_path)["no_estimate"].startswith("no estimate, because")


def test_the_exact_interval_of_a_share_is_clopper_and_pearson_s() -> None:
    """Of 3 in 6, none in 6 and all of 6: the values of the beta distribution's quantiles."""
    assert proportion(3, 6) == pytest.approx((0.1181, 0.8819), abs=1e-4)
    assert proportion(0, 6) == pytest.approx((0.0, 0.4593), abs=1e-4)
    assert proportion(6, 6) == pytest.approx((0.5407, 1.0), abs=1e-4)

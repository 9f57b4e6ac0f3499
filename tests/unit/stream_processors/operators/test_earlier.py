"""The earlier network behind the contract of a detector: its windows, their defects included, and how many at once."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inference.pulsenet.earlier.network import Inference
from inference.pulsenet.earlier.shapes import STEPS
from inference.slots import Floats
from stream_processors.operators.conditions import CODE
from stream_processors.operators.detector import Verdict
from stream_processors.operators.earlier import WINDOWS_MOST, EarlierDetector
from stream_processors.operators.episodes import Episodes
from tests.closed_bins import activity, bins

FALSE = np.array([False])


@dataclass
class Told:
    """Stands for the network: keeps the windows, and answers with a number."""

    overall: float = 0.0
    windows: list[Floats] = field(default_factory=list)

    def infer(self, windows: Floats) -> Inference:
        """Return the same for every window."""
        self.windows += list(windows)
        nothing = np.zeros((len(windows), STEPS))
        return Inference(np.full(len(windows), self.overall), nothing, nothing, nothing)


def made(overall: float = 0.0, *, wearers: int = 1) -> tuple[EarlierDetector, Told]:
    """Return a detector whose network answers with this number."""
    network: Any = Told(overall)
    detector = EarlierDetector(network, name="earlier 1+0000000")
    detector.extend(wearers)
    return detector, network


def follow(detector: EarlierDetector, numbers: range, *, lane: int = 0, **vitals: Any) -> list[Verdict]:
    """Return the verdicts on bins with these vitals."""
    learning = Episodes()
    verdicts: list[Verdict] = []
    for number in numbers:
        _, told = detector.judge(bins(number, lane=lane, **vitals), activity(), frozen=FALSE, learning=learning)
        verdicts += told
    return verdicts


def test_what_nobody_measured_is_told_as_zero() -> None:
    """A heart rate and variability that are missing become 0, acceleration 1 g, the skin 36.5 Cel."""
    detector, network = made()
    follow(detector, range(30), spo2=97.0)
    assert (network.windows[-1] == [0.0, 0.0, 1.0, 36.5]).all()


def test_the_first_reading_fills_the_front() -> None:
    """After three readings the window has 58 times the first one; then the oldest go, by count."""
    detector, network = made()
    for number in range(3):
        follow(detector, range(number, number + 1), heart_rate=60.0 + number, hrv_sdnn=40.0)
    follow(detector, range(3, 40), heart_rate=90.0)
    first = network.windows[0][:, 0]
    told = int((first == 60.0).sum())
    assert told > STEPS // 2
    assert (first[:told] == 60.0).all()
    follow(detector, range(5_000, 5_100), heart_rate=90.0, hrv_rmssd=50.0, acceleration=1.2, skin_temperature=33.0)
    assert np.allclose(network.windows[-1][-1], [90.0, 50.0, 1.2, 33.0])


def test_a_window_is_judged_once_a_minute() -> None:
    """Twelve bins of five seconds bring one verdict, about the condition that names no vital."""
    detector, _ = made(0.9)
    verdicts = follow(detector, range(12 * 5 + 1), heart_rate=60.0)
    assert 5 <= len(verdicts) <= 6
    assert {int(verdict.tier[0, CODE["vitals.drift"]]) for verdict in verdicts} == {2}
    assert {int(verdict.tier.sum()) for verdict in verdicts} == {2}


def test_its_limits_are_the_same_for_everybody() -> None:
    """A mean above 0.5 is its tier 1, above 0.8 its tier 2."""
    for overall, tier in ((0.5, 0), (0.51, 1), (0.8, 1), (0.81, 2)):
        detector, _ = made(overall)
        assert follow(detector, range(30), heart_rate=60.0)[-1].tier.max() == tier


def test_few_windows_are_judged_at_once_and_nobody_is_forgotten() -> None:
    """With more wearers than a record may cost, the longest waiting come first."""
    detector, network = made(wearers=2 * WINDOWS_MOST + 1)
    learning = Episodes()
    everybody = [bins(0, lane=lane, heart_rate=60.0) for lane in range(2 * WINDOWS_MOST + 1)]
    seen: set[int] = set()
    for number in range(0, 60, 12):
        wave = _joined([bins(number, lane=lane, heart_rate=60.0) for lane in range(len(everybody))])
        before = len(network.windows)
        told = activity()
        many = told.take(np.zeros(len(everybody), dtype=np.int64))
        _, verdicts = detector.judge(wave, many, frozen=np.zeros(len(everybody), dtype=np.bool_), learning=learning)
        assert len(network.windows) - before <= WINDOWS_MOST
        seen |= {int(wearer) for verdict in verdicts for wearer in verdict.bins.wearer}
    assert seen == set(range(len(everybody)))


def _joined(ones: list[Any]) -> Any:
    """Return bins of several wearers as one wave."""
    columns = {
        name: np.concatenate([getattr(one, name) for one in ones])
        for name in ones[0].__dataclass_fields__
        if isinstance(getattr(ones[0], name), np.ndarray)
    }
    return type(ones[0])(**columns)


def test_what_was_dumped_goes_on() -> None:
    """A detector that takes over a dump gives the verdicts of the one that it was taken from."""
    detector, _ = made(0.6)
    follow(detector, range(17), heart_rate=60.0)
    again, network = made(0.6)
    again.load(detector.dump())
    assert len(follow(again, range(17, 40), heart_rate=80.0)) == len(follow(detector, range(17, 40), heart_rate=80.0))
    assert (network.windows[0][:, 0] > 0).all()

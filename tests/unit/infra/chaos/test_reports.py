"""What the runs tell: tables, slopes, drawings, and the place in a page."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from infra.chaos.plan import Fault
from infra.chaos.report import as_json, by_fault, markdown, write_between
from infra.chaos.run import Outcome, Round
from infra.chaos.scene import Audited, LoadPlan
from infra.chaos.soak import Sample, SoakOutcome, course_of
from infra.chaos.soak_report import bars, drawing
from schemas.errors import SetupError

PLAN = LoadPlan(seed=7, rate=3000, connections=300)


def outcome() -> Outcome:
    """Return a run of three rounds, the last of which did not come back."""
    done = Outcome(audited=Audited(plan=PLAN))
    done.rounds = [
        Round(fault=Fault("kill", ("api",)), recovery_s=2.0, worst_ack_s=0.5),
        Round(fault=Fault("kill", ("api",)), recovery_s=4.0, worst_ack_s=0.7),
        Round(fault=Fault("stop", ("api", "kafka")), recovery_s=None, worst_ack_s=70.0, trouble="storage is behind"),
    ]
    return done


def samples(memory: list[float]) -> list[Sample]:
    """Return one sample each 10 s of a process's memory."""
    return [Sample(at * 10.0, {"api": mib}, {"api": mib}, {"api": at}) for at, mib in enumerate(memory)]


def test_the_json_has_the_keys_that_are_promised() -> None:
    """The keys of the design stand in the JSON, beside the seed and every round."""
    facts = as_json(outcome())
    promised = (
        "acked lost doubled wrong alerts_expected alerts_missed alerts_doubled kills seed rounds machine date commit"
    )
    assert set(promised.split()) <= facts.keys()
    assert (facts["faults"], facts["kills"]) == (3, 2)
    assert facts["rounds"][2]["recovery_s"] is None


def test_rounds_are_told_by_fault_and_pairs_together() -> None:
    """A row is a kind and target with its median and worst recovery; a round that did not come back shows."""
    assert by_fault(as_json(outcome())["rounds"]) == [
        ("kill api", "2", "3.0", "4.0", "0.7"),
        ("stop of two at once", "1", "", "not in time", "70.0"),
    ]


def test_breaches_are_named_and_counted() -> None:
    """Lost, refused and never acknowledged readings are breaches by name; none of them is none."""
    audited = Audited(plan=PLAN)
    assert audited.breaches == []
    audited.findings.lost = 2
    audited.load = {"waiting": 1, "counts": {"refused": 3, "split": 9}, "made": 30_000, "sending_s": 10.0}
    assert audited.breaches == ["2 lost", "3 refused", "1 never acknowledged"]


def test_a_run_that_was_hardly_loaded_shows_nothing() -> None:
    """Nothing lost of next to nothing is a breach: the load must have made half of what was asked at least."""
    audited = Audited(plan=PLAN)
    audited.load = {"made": 14_000, "sending_s": 10.0}
    assert audited.breaches == ["only 1400 of 3000 messages/s made"]
    audited.load = {"made": 16_000, "sending_s": 10.0}
    assert audited.breaches == []


def test_figures_go_to_their_place_in_a_page(tmp_path: Path) -> None:
    """What stands between the marks is replaced, the rest stays; a page without marks is refused."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- chaos:begin -->\nold\n<!-- chaos:end -->\nafter\n")
    write_between(page, "chaos", markdown(as_json(outcome())))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| kill api | 2 | 3.0 | 4.0 | 0.7 |" in text
    with pytest.raises(SetupError, match="no place"):
        write_between(page, "soak", "text")


def test_a_slope_is_the_change_over_the_window_alone() -> None:
    """Growth before the window does not count; 1 MiB on 100 in the window is 1 %."""
    warming = [50.0] * 10 + [100.0 + at / 100 for at in range(101)]
    course = course_of("api", samples(warming), 1000.0)
    assert course.change_percent == pytest.approx(1.0, abs=0.01)
    assert course_of("api", samples([100.0] * 60), 300.0).change_percent == pytest.approx(0.0, abs=1e-9)


def test_a_short_soak_is_not_judged() -> None:
    """Five minutes are told but not judged, an hour is judged over its last 30 min."""
    short, long = (SoakOutcome(minutes=minutes, audited=Audited(plan=PLAN)) for minutes in (5.0, 60.0))
    assert (short.is_judged, short.window_s) == (False, 150.0)
    assert (long.is_judged, long.window_s) == (True, 1800.0)
    long.samples = samples([1.0, 2.0])
    assert long.highest_lag() == {"api": 1}


def test_a_course_is_drawn() -> None:
    """The drawing is well-formed SVG with a line for each process, the bars rise with the values."""
    soak = SoakOutcome(minutes=1.0, audited=Audited(plan=PLAN), samples=samples([10.0, 20.0, 40.0]))
    root = ET.fromstring(drawing(soak))  # noqa: S314 - our own text
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 1
    assert bars((10.0, 20.0, 40.0)) == "▃▅█"

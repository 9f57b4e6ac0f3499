"""The judgement at the end of a run: when it is taken, and how often."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.chaos import scene
from infra.chaos.alerts import AlertFindings
from infra.chaos.auditor import AuditError, Findings
from infra.chaos.carer import Carer
from infra.chaos.scene import Audited, LoadPlan, Scene, finish


class Load:
    """A load that has finished."""

    def __init__(self) -> None:
        self.status = {"made": 100, "sending_s": 1.0}

    async def finish(self) -> None:
        """Return at once."""


async def judged(monkeypatch: pytest.MonkeyPatch, *found: Findings | AuditError) -> Audited:
    """Return the judgement where the auditor finds these one after the other."""
    monkeypatch.setattr(scene, "SETTLED_AFTER_S", 0.0)
    monkeypatch.setattr(scene, "AGAIN_AFTER_S", 0.0)
    answers: Iterator[Findings | AuditError] = iter(found)

    def audit(*_: Any, **__: Any) -> Findings:
        answer = next(answers)
        if isinstance(answer, AuditError):
            raise answer
        return answer

    async def no_alerts(*_: Any) -> AlertFindings:
        return AlertFindings()

    monkeypatch.setattr(scene, "audit", audit)
    monkeypatch.setattr(scene, "_judge_alerts", no_alerts)
    nothing: Any = None
    load: Any = Load()
    carer = Carer("http://nowhere", "", seed=1)
    now = Scene(system=nothing, database=nothing, people=[], load=load, carer=carer, folder=Path())
    audited = Audited(plan=LoadPlan(seed=7, rate=100, connections=2))
    await finish(now, audited, [], lambda _: None)
    assert next(answers, None) is None
    return audited


async def test_what_comes_twice_late_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first judgement without a breach is not the last: the second one counts."""
    assert (await judged(monkeypatch, Findings(), Findings(doubled=1))).breaches == ["1 doubled"]


async def test_what_is_still_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings that are not stored yet, or a database that is not back yet, are asked for again."""
    found = (Findings(lost=3), AuditError("not yet"), Findings(lost=1), Findings(), Findings())
    assert (await judged(monkeypatch, *found)).breaches == []

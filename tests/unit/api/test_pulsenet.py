"""The PulseNet routes: what they answer to a window, and what they tell of the model."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from api.callers import _ports_here, caller_of
from api.errors import add_handlers
from api.judging import WAITING_MOST, Judging
from api.records import Component
from api.routes import pulsenet
from inference.pulsenet.window import ROWS, Answer, judge

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DETECTOR = {
    "alerting": "resting-rate (fallback)",
    "role": "fallback",
    "fallback": "/opt/x/pulsenet.onnx cannot be read.",
}


class Probes:
    """Tells what a worker would tell."""

    def __init__(self, told: dict[str, Any] | None) -> None:
        self.told = told

    async def components(self) -> Sequence[Component]:
        """Return the vitals worker alone."""
        return [Component(name="vitals", state="up", told=self.told)]


def client(told: dict[str, Any] | None = None, *, role: str = "carer") -> httpx.AsyncClient:
    """Return a client of the routes alone."""
    app = FastAPI()
    add_handlers(app)
    app.include_router(pulsenet.router)
    app.state.judging = Judging()
    app.dependency_overrides[_ports_here] = lambda: SimpleNamespace(clock=lambda: NOW, probes=Probes(told))
    app.dependency_overrides[caller_of] = lambda: SimpleNamespace(role=role)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api")


def window(heart_rate_bpm: float) -> list[list[float | None]]:
    """Return a window of somebody at rest."""
    noise = np.random.default_rng(1).normal(size=(ROWS, 4)) * [2.0, 3.0, 0.005, 0.1]
    made: list[list[float | None]] = (np.array([heart_rate_bpm, 45.0, 1.0, 33.0]) + noise).round(3).tolist()
    return made


async def infer(body: Any) -> httpx.Response:
    """Return the answer to a window."""
    async with client() as asking:
        # As a Python client writes it: NaN included, which httpx would refuse.
        return await asking.post(
            "/pulsenet/infer", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )


async def test_a_window_of_minutes_is_judged() -> None:
    """A racing heart at rest is an anomaly in the earlier contract's fields, a calm one is none."""
    racing = (await infer({"window": window(150.0), "step_s": 60})).json()
    calm = (await infer({"window": window(70.0), "step_s": 60})).json()
    assert (racing["status"], racing["is_anomaly"], racing["reason"]) == ("ok", True, None)
    assert (calm["status"], calm["is_anomaly"]) == ("ok", False)
    assert len(racing["per_timestep_scores"]) == len(racing["reconstruction"]) == ROWS
    assert racing["max_score"] >= 0.5 > calm["max_score"]
    assert racing["per_timestep_scores"][0] is None
    assert racing["attention_heatmap"] is None
    assert racing["time"] == "2026-11-21T12:00:00.000Z"


async def test_a_short_window_says_that_it_is_too_short() -> None:
    """Rows 12 s apart end in the warm-up: no score, no anomaly, no normal either, and the reason in words."""
    said = (await infer({"window": window(150.0)})).json()
    assert (said["status"], said["reason"], said["is_anomaly"]) == ("no_estimate", "warming_up", None)
    assert said["overall_score"] is said["max_score"] is None
    assert "step_s" in said["detail"]
    assert set(said["per_timestep_scores"]) == {None}


async def test_missing_is_null_or_nan_and_never_a_value() -> None:
    """A window without heart rate is answered, without a score; NaN counts as null."""
    rows = window(70.0)
    for row in rows:
        row[0] = None
    rows[3][0] = float("nan")
    said = (await infer({"window": rows, "step_s": 60})).json()
    assert (said["status"], said["reason"]) == ("no_estimate", "missing_channel")
    assert all("heart_rate" not in minute["vitals"] for minute in said["minutes"])


@pytest.mark.parametrize(
    "body",
    [
        {"window": window(70.0)[:59]},
        {"window": [row[:3] for row in window(70.0)]},
        {"window": [*window(70.0)[:59], ["72", 40, 1, 33]]},
        {"window": [*window(70.0)[:59], [float("inf"), 40, 1, 33]]},
        {"window": [*window(70.0)[:59], [10**400, 40, 1, 33]]},
        {"window": window(70.0), "step_s": 0},
        {"window": window(70.0), "hrv_method": "lf"},
        {},
        [],
    ],
)
async def test_another_shape_is_refused(body: Any) -> None:
    """Anything but 60 rows of four numbers or nulls is refused in the one shape of errors."""
    refused = await infer(body)
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "invalid"


@pytest.mark.parametrize("time", ["1900-01-01T12:00:00Z", "9999-12-31T12:00:00Z"])
async def test_any_year_has_its_hours(time: str) -> None:
    """Of the time only the hour counts: noon of any year is judged as noon of this one."""
    asked = {"window": window(150.0), "step_s": 60}
    said = [(await infer({**asked, "time": at})).json()["per_timestep_scores"] for at in (time, "2026-11-21T12:00:00Z")]
    assert said[0] == said[1]


async def test_few_windows_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """More windows than may wait are told to come again."""
    refused = threading.Event()

    def judge_at_last(*asked: Any) -> Answer:
        assert refused.wait(20.0)
        return judge(*asked)

    monkeypatch.setattr("api.judging.judge", judge_at_last)
    async with client() as asking:
        asked = [
            asyncio.ensure_future(asking.post("/pulsenet/infer", json={"window": window(70.0)}))
            for _ in range(WAITING_MOST + 4)
        ]
        waiting = set(asked)
        while len(waiting) > WAITING_MOST:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=20.0)
        refused.set()
        answers = await asyncio.gather(*asked)
    late = [answer for answer in answers if answer.status_code == 429]
    assert len(late) == 4
    assert [answer.status_code for answer in answers].count(200) == WAITING_MOST
    assert late[0].headers["retry-after"] == "1"


async def test_the_status_tells_which_detector_judges_and_why() -> None:
    """What the worker tells is told, but no folder of the server; without a worker that tells, nulls and the reason."""
    async with client(DETECTOR) as asking:
        told = (await asking.get("/pulsenet/status")).json()
        health = (await asking.get("/pulsenet/health")).json()
    assert (told["loaded"], told["parameters"], told["device"]) == (True, 16_692, "cpu")
    assert (told["role"], told["fallback"]) == ("fallback", "pulsenet.onnx cannot be read.")
    assert told["promise"]["tier1_alerts_a_day"] == 0.1
    assert (health["status"], health["reason"]) == ("degraded", "pulsenet.onnx cannot be read.")
    async with client() as asking:
        unknown = (await asking.get("/pulsenet/status")).json()
    assert unknown["alerting"] is None
    assert "does not tell" in unknown["reason"]


@pytest.mark.parametrize(
    ("role", "wearers", "told"), [("carer", 10, False), ("carer", 11, True), ("admin", 1, True), ("carer", None, False)]
)
async def test_what_was_counted_over_a_few_wearers_is_for_administrators(
    role: str, wearers: int | None, *, told: bool
) -> None:
    """Alerts a day of one wearer are his own; which models there are and whether they run is told to everybody."""
    counted = {"wearer_days": 2.5, "agreement": 0.9, "alerts_per_day": {"shadow": {"1": 3.0}}, "drift": 0.2,
               "lacking": 1, "takeover": "It knows 1 of 1 wearers too little."}  # fmt: skip
    shadow = {"name": "pulsenet-made 2", "state": "running", "reason": None, **counted}
    async with client({"alerting": "pulsenet 1", "drift": 0.3, "shadow": shadow, "wearers": wearers}, role=role) as one:
        answered = (await one.get("/pulsenet/status")).json()
    assert (answered["shadow"]["name"], answered["shadow"]["state"]) == ("pulsenet-made 2", "running")
    assert {name: answered["shadow"][name] for name in counted} == (counted if told else dict.fromkeys(counted))
    assert answered["drift"] == (0.3 if told else None)


async def test_the_architecture_tells_the_true_training() -> None:
    """Made people and the recordings that were learned from are named; what is not learned from is not claimed."""
    async with client() as asking:
        told = (await asking.get("/pulsenet/architecture")).json()
    assert (told["kind"], told["parameters"]) == ("network", 16_692)
    assert "Stress-Predict" in told["training"]["card"]
    assert "Made people" in told["training"]["card"]
    assert "PhysioNet" not in json.dumps(told)
    assert sum(one["share"] for one in told["conditions"]) == pytest.approx(1.0, abs=0.01)


def test_only_a_window_loads_what_runs_the_network() -> None:
    """The API starts and tells what its model is without onnxruntime; a window loads that, and nothing else."""
    code = (
        "import asyncio, sys, numpy as np, infra.api_process\n"
        "from api.judging import Judging\n"
        "from inference.pulsenet.window import Window\n"
        "asked_for = {'onnxruntime', 'onnx', 'torch', 'tensorflow', 'cv2', 'scipy'}\n"
        "def heavy(): return sorted(asked_for & sys.modules.keys())\n"
        "judging = Judging()\n"
        "print(asyncio.run(judging.facts()).kind, heavy())\n"
        "asked = Window(rows=np.full((60, 4), 70.0), step_s=60, end_min=1, utc_offset_min=0, hrv=None)\n"
        "print(asyncio.run(judging.judge(asked))[0][:10], heavy())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["network []", "pulsenet 1 ['onnxruntime']"]

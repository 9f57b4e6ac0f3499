"""Routes about the anomaly model: which one judges, what it is, and what it says of a window that a client sends."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.callers import CallerHere, PortsHere
from api.errors import RefusedError, answer
from api.judging import Judging, without_folders
from api.moments import stamp
from api.pulsenet_shapes import ArchitectureShape, InferShape, PulseNetHealthShape, StatusShape, WindowBody
from api.shapes import ErrorShape
from inference.pulsenet.activity import WARM_UP_MIN
from inference.pulsenet.calibration import TIER0_RATE, TIER_RATES
from inference.pulsenet.channels import CHANNELS
from inference.pulsenet.series import HEART_RATE, HRV_RMSSD, HRV_SDNN, SKIN_TEMPERATURE, VITAL_NAMES
from inference.pulsenet.window import COLUMNS, Answer, Window

NOTICE: Final = "Not a diagnosis. Pulsera is not a medical device."

_DETAILS: Final = {
    "warming_up": (
        f"Of a wearer of whom nothing is known the first {WARM_UP_MIN} minutes of heart rate say nothing. Send rows a "
        "minute apart (`step_s`: 60), or let a device stream: then the model knows the wearer."
    ),
    "sensor_frozen": "The heart rate repeats itself as a sensor does that measures nothing.",
    "missing_channel": "No heart rate was measured.",
    "motion": "The wearer moves: the heart rate is judged at rest.",
}
_EXPECTED: Final[Mapping[str, int]] = {"heart_rate": HEART_RATE, "skin_temperature": SKIN_TEMPERATURE}
_HRV: Final = {"rmssd": HRV_RMSSD, "sdnn": HRV_SDNN}
_INPUTS: Final = [
    "movement now and averaged over 1 to 50 min, and how long ago it was (steps, motion)",
    "local time of day",
    "the wearer's own centre of heart rate, saturation, breathing and skin temperature, and how well it is known",
    "which vital signs were measured in this minute",
    "for the second head alone: each vital's last distance from the wearer's centre, and its age",
]
CROWD_LEAST: Final = 11
"""Wearers of whom something counted may be told to whoever has an account."""
_COUNTED: Final = {"wearer_days", "agreement", "alerts_per_day", "drift", "lacking", "takeover"}
_OUTPUTS: Final = ("mean and scale from the context alone", "mean and scale of the next minute")
_PROMISE: Final = {
    "tier0_share_of_bins": TIER0_RATE,
    "tier1_alerts_a_day": TIER_RATES[0],
    "tier2_alerts_a_day": TIER_RATES[1],
}

router = APIRouter(prefix="/pulsenet", tags=["pulsenet"])


def _judging(request: Request) -> Judging:
    judging: Judging = request.app.state.judging
    return judging


@router.get("/status", response_model=StatusShape)
async def status(request: Request, ports: PortsHere, caller: CallerHere) -> Response:
    """Return which model judges wearers, whether it is a fallback and why, and how it fares.

    How it fares is counted over all wearers: of fewer than eleven only an administrator is told.
    """
    name, parameters, _ = await _shipped(_judging(request))
    told = _without_persons(await _told(ports), caller.role)
    body = {
        "loaded": name is not None,
        "parameters": parameters,
        "device": "cpu",
        "checkpoint_dir": None,
        "model": name,
        **{key: told.get(key) for key in ("alerting", "role", "fallback", "wanted", "drift", "shadow")},
        "promise": _PROMISE,
        "reason": None if told else "The worker that judges does not tell which model it uses.",
    }
    return answer(body)


@router.get("/architecture", response_model=ArchitectureShape)
async def architecture(request: Request) -> Response:
    """Return what the shipped model takes and tells, its thresholds, and what it learned from."""
    facts = await _judging(request).facts()
    channels = [
        {"condition": one.condition, "side": one.side, "time_scale": one.scale, "share": one.share} for one in CHANNELS
    ]
    body = {
        "model": facts.name,
        "kind": facts.kind,
        "parameters": facts.parameters,
        "inputs": _INPUTS,
        "outputs": [f"{vital}: {what}" for vital in VITAL_NAMES for what in _OUTPUTS],
        "conditions": channels,
        "step": "one minute of event time of each wearer who has data",
        "warm_up_min": WARM_UP_MIN,
        "thresholds": {
            "method": "split conformal on the maxima of wearer days, shrunk to the wearer's own days, adapted",
            "made_from": facts.source,
            "wearer_days": facts.wearer_days,
            **_PROMISE,
        },
        "training": facts.training,
        "notice": NOTICE,
    }
    return answer(body)


@router.get("/health", response_model=PulseNetHealthShape)
async def health(request: Request, ports: PortsHere) -> Response:
    """Return whether the model can be asked, and whether wearers are judged by it."""
    name, _, why = await _shipped(_judging(request))
    told = await _told(ports)
    reason = why or told.get("fallback")
    body = {
        "status": "degraded" if reason else "healthy",
        "service": "pulsenet",
        "model_loaded": name is not None,
        "reason": reason,
    }
    return answer(body)


@router.post(
    "/infer",
    response_model=InferShape,
    responses={429: {"model": ErrorShape, "description": "Too many windows wait; try again (`Retry-After`)."}},
)
async def infer(body: WindowBody, request: Request, ports: PortsHere) -> Response:
    """Judge a window of 60 rows by 4 columns as of a wearer of whom nothing is known; nothing of it is kept.

    Columns: heart rate (1/min), variability (ms), mean acceleration (g, 1 at rest), skin temperature (Cel). The live
    path knows its wearers and judges better.
    """
    ends = body.time or ports.clock()
    window = Window(
        rows=np.array([[math.nan if cell is None else cell for cell in row] for row in body.window]),
        step_s=body.step_s,
        end_min=int(ends.timestamp() // 60),
        utc_offset_min=body.utc_offset_min,
        hrv=body.hrv_method,
    )
    model, said = await _judging(request).judge(window)
    return answer({**_judged(said, window), "model": model, "time": stamp(ends), "notice": NOTICE})


async def _shipped(judging: Judging) -> tuple[str | None, int | None, str | None]:
    """Return the name and size of the shipped model, or why there is none."""
    try:
        facts = await judging.facts()
    except RefusedError as error:
        return None, None, str(error)
    return facts.name, facts.parameters, None


async def _told(ports: PortsHere) -> Mapping[str, Any]:
    """Return what the worker tells of its detector, empty where it tells nothing."""
    found = {one.name: one for one in await ports.probes.components()}
    vitals = found.get("vitals")
    told = (vitals.told or {}) if vitals is not None else {}
    why = told.get("fallback")
    return {**told, "fallback": without_folders(why)} if isinstance(why, str) else told


def _without_persons(told: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    """Return what a caller may be told: nothing that was counted over so few wearers that it tells of persons."""
    if not told or role == "admin" or (told.get("wearers") or 0) >= CROWD_LEAST:
        return told
    shadow = told.get("shadow")
    hidden = None if shadow is None else {**shadow, **dict.fromkeys(_COUNTED & shadow.keys())}
    return {**told, "shadow": hidden, "drift": None}


def _judged(said: Answer, window: Window) -> dict[str, Any]:
    combined = said.combined
    rows = _squashed(combined)[said.minute]
    known = rows[~np.isnan(rows)]
    # The newest minute that says why speaks for the window.
    why = None if len(known) else next((one for one in reversed(said.reason) if one is not None), "missing_channel")
    return {
        "status": "ok" if len(known) else "no_estimate",
        "reason": why,
        "detail": _DETAILS[why] if why else None,
        "overall_score": round(float(known.mean()), 4) if len(known) else None,
        "max_score": round(float(known.max()), 4) if len(known) else None,
        "is_anomaly": bool((known >= 0.5).any()) if len(known) else None,  # noqa: PLR2004 - the earlier contract's
        "per_timestep_scores": [_number(one) for one in rows],
        "reconstruction": _expected(said, window),
        "association_discrepancy": None,
        "attention_heatmap": None,
        "prior_attention": None,
        "minutes": [_minute(said, at) for at in range(len(combined))],
        "conditions": [
            {"condition": condition, "time_scale": scale, "score": _number(score), "minute": minute}
            for condition, scale, score, minute in said.peaks()
        ],
        "implausible": said.implausible,
    }


def _squashed(scores: Any) -> Any:
    """Return scores over their threshold as the earlier contract has them: 0 to 1, the threshold at 0.5."""
    up = np.maximum(scores, 0.0)
    return up / (up + 1.0)


def _expected(said: Answer, window: Window) -> list[list[float | None]]:
    columns = dict(_EXPECTED) | ({"hrv": _HRV[window.hrv]} if window.hrv else {})
    return [
        [_number(said.expected[at, columns[name]]) if name in columns else None for name in COLUMNS]
        for at in said.minute.tolist()
    ]


def _minute(said: Answer, at: int) -> dict[str, Any]:
    told = ("value", "expected", "low", "high", "z")
    known = [column for column in range(len(VITAL_NAMES)) if not math.isnan(said.value[at, column])]
    return {
        "minute": at,
        "score": _number(said.combined[at]),
        "reason": said.reason[at],
        "vitals": {
            VITAL_NAMES[column]: {name: _number(getattr(said, name)[at, column]) for name in told} for column in known
        },
    }


def _number(value: float) -> float | None:
    """Return a number as the wire has it: null where there is none, 0 without a sign."""
    return None if math.isnan(value) else round(float(value), 4) + 0.0

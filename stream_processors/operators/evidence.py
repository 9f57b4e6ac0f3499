"""Evidence: what an episode rests on, first from the run that opened it, then bin by bin."""

from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.episodes import Evidence
from schemas.vitals import ORIGINS, SOURCE_NAMES, VITALS
from stream_processors.operators import reasons
from stream_processors.operators.bins import UNKNOWN_QUALITY, Bins
from stream_processors.operators.conditions import CONDITIONS
from stream_processors.operators.detector import Decision, Expectation
from stream_processors.operators.rest import Activity
from stream_processors.operators.runs import Run

FLOOR: Final = "clinical floor"
"""Named as what decided where a clinical limit did, whatever the detector beside it thinks."""

_UNKNOWN: Final = reasons.ACTIVITY_UNKNOWN
_FLOOR_RULE: Final = "floor"
_QUALITY_UNKNOWN: Final = "quality unknown"
_FROZEN: Final = "the value repeats itself exactly: repeated bins do not count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One bin of one vital as plain numbers."""

    wearer: int
    stream: int
    start_ms: int
    end_ms: int
    value: float
    quality: int
    vague: bool
    injected: bool
    origin: int
    sources: int
    context: str
    resting_ms: int
    expectation: Expectation


def sight(bins: Bins, activity: Activity, row: int, vital: int, *, expectation: Expectation) -> Sight:
    """Return one row of a wave."""
    return Sight(
        wearer=int(bins.wearer[row]),
        stream=int(bins.stream[row]),
        start_ms=int(bins.end_ms[row]) - bins.length_ms,
        end_ms=int(bins.end_ms[row]),
        value=float(bins.values[row, vital]),
        quality=int(bins.quality[row]),
        vague=bool(bins.vague[row]),
        injected=bool(bins.injected[row]),
        origin=int(bins.origin[row]),
        sources=int(bins.sources[row]),
        context=_context(activity, row),
        resting_ms=int(activity.resting_ms[row]),
        expectation=expectation,
    )


def _context(activity: Activity, row: int) -> str:
    if activity.unknown[row]:
        return _UNKNOWN
    if not activity.at_rest[row]:
        return "moving or not yet at rest"
    return f"at rest {reasons.duration(int(activity.resting_ms[row]))}"


def first(seen: Sight, condition: int, run: Run) -> Evidence:
    """Return the evidence of an episode that opens with this bin at the end of this run."""
    row = VITALS[CONDITIONS[condition].vital or 0]
    base = Evidence(
        vital=row.name,
        unit=row.unit,
        side=CONDITIONS[condition].side,
        extreme=_rounded(run.extreme),
        data_quality=None if run.quality == UNKNOWN_QUALITY else run.quality / 1000,
        quality_note=_QUALITY_UNKNOWN if run.vague else None,
        sources=_names(run.sources),
        bins=run.bins - 1,
        injected=bool(run.injected),
        origin=ORIGINS[run.origin],
    )
    return further(base, seen, onset_ms=run.start_ms, assumed=bool(run.assumed))


def further(evidence: Evidence, seen: Sight, *, onset_ms: int, assumed: bool = False) -> Evidence:
    """Return the evidence with one more bin that agrees."""
    quality = evidence.data_quality
    if seen.quality != UNKNOWN_QUALITY:
        quality = seen.quality / 1000 if quality is None else min(quality, seen.quality / 1000)
    doubted = assumed or evidence.context == _UNKNOWN
    context = seen.context
    if seen.resting_ms < seen.end_ms - onset_ms:
        context = _UNKNOWN if doubted else reasons.at_rest_since(context)
    known_s = seen.expectation.known_s
    return msgspec.structs.replace(
        evidence,
        observed=_rounded(seen.value),
        extreme=_rounded(_further(evidence.side, evidence.extreme, seen.value)),
        expected=_rounded(seen.expectation.centre),
        scale=_rounded(seen.expectation.scale),
        z=_rounded(seen.expectation.z),
        baseline=_rounded(seen.expectation.baseline),
        baseline_age_s=None if known_s is None else float(round(known_s)),
        duration_s=max(seen.end_ms - onset_ms, 0) / 1000,  # a backlog of another stream may lie before the onset
        context=context,
        data_quality=quality,
        quality_note=evidence.quality_note or (_QUALITY_UNKNOWN if seen.vague else None),
        sources=sorted({*evidence.sources, *_names(seen.sources)}),
        bins=(evidence.bins or 0) + 1,
        injected=evidence.injected or seen.injected,
        origin=max(evidence.origin, ORIGINS[seen.origin], key=ORIGINS.index),
        **_named(evidence, seen.expectation),
    )


def _named(evidence: Evidence, expectation: Expectation) -> dict[str, str | None]:
    """Return who decided, and who told what was expected where that is somebody else."""
    if evidence.rule != _FLOOR_RULE:
        return {"model": expectation.model}
    return {"expected_by": None if expectation.centre is None else expectation.model}


def recovered(evidence: Evidence, seen: Sight, *, onset_ms: int) -> Evidence:
    """Return the evidence with the bin that ends the episode, and what was expected of it."""
    return msgspec.structs.replace(
        evidence,
        observed=_rounded(seen.value),
        expected=_rounded(seen.expectation.centre),
        scale=_rounded(seen.expectation.scale),
        z=_rounded(seen.expectation.z),
        duration_s=max(seen.end_ms - onset_ms, 0) / 1000,
        context=seen.context,
        injected=evidence.injected or seen.injected,
    )


def by_floor(evidence: Evidence, limit: float | None) -> Evidence:
    """Return the evidence with the clinical limit that decided."""
    by_others = evidence.expected_by
    if evidence.rule != _FLOOR_RULE and evidence.expected is not None:
        by_others = evidence.model
    return msgspec.structs.replace(
        evidence,
        rule=_FLOOR_RULE,
        model=FLOOR,
        expected_by=by_others,
        threshold=limit,
        threshold_unit=evidence.unit,
        time_scale_s=None,
        kind=None,
        promised_rate=None,
        realised_rate=None,
        rate_days=None,
        parts=None,
    )


def by_detector(evidence: Evidence, decision: Decision) -> Evidence:
    """Return the evidence with what decided in the detector."""
    return msgspec.structs.replace(
        evidence,
        rule="baseline",
        threshold=_rounded(decision.threshold),
        threshold_unit=decision.unit,
        time_scale_s=decision.time_scale_s,
        kind=decision.kind,
        promised_rate=_rounded(decision.promised_rate, 4),
        realised_rate=_rounded(decision.realised_rate, 4),
        rate_days=_rounded(decision.rate_days, 1),
        parts=None if decision.parts is None else {name: round(z, 2) for name, z in decision.parts.items()},
    )


def frozen(evidence: Evidence) -> Evidence:
    """Return the evidence with a note that the sensor repeats itself."""
    note = evidence.quality_note
    if note is not None and _FROZEN in note:
        return evidence
    return msgspec.structs.replace(evidence, quality_note=_FROZEN if note is None else f"{note}; {_FROZEN}")


def _further(side: str | None, extreme: float | None, value: float) -> float:
    if extreme is None:
        return value
    return max(extreme, value) if side == "high" else min(extreme, value)


def _names(mask: int) -> list[str]:
    codes = [code for code in range(mask.bit_length()) if mask >> code & 1]
    return sorted(SOURCE_NAMES.get(code, f"source {code}") for code in codes)


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None or value != value else round(value, digits)  # noqa: PLR0124 - NaN is the one unequal to itself

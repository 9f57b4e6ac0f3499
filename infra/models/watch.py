"""What the detectors of a worker do, for its health answer and its metrics: who has which role, and what both say."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from inference.pulsenet.drift import Drift, drift
from infra.detectors import InstalledDetectors
from stream_processors.families.vitals import VitalsState
from stream_processors.operators.resting import FALLBACK
from stream_processors.operators.shadow import Sight
from stream_processors.operators.tally import ALERTING, LACKING_MOST, LEARNED_MIN, SHADOW, TIERS, Counts, Lack
from stream_processors.ports import Meter, PartitionState, Roles

EVERY_S: Final = 5.0
_SIDES: Final = {"alerting": ALERTING, "shadow": SHADOW}
_NAN: Final = math.nan

_LOG = structlog.get_logger(__name__)


class ModelWatch:
    """Looks at the states of a worker, at each as it was after its last step: the next may be run in a thread."""

    def __init__(
        self, detectors: InstalledDetectors, states: Callable[[], Sequence[PartitionState]], meter: Meter
    ) -> None:
        self._detectors = detectors
        self._states = states
        self._meter = meter
        self._roles: Roles | None = None
        self._off = False

    def told(self) -> dict[str, Any]:
        """Return what the health answer says of the detector."""
        seen = self._look()
        roles, counts, off, lack = seen.roles, seen.counts, seen.off, seen.lack
        wanted = self._detectors.decided
        shadow: dict[str, Any] | None = None
        if roles.shadow:
            shadow = {
                "name": roles.shadow,
                "state": "off" if off else "running",
                "reason": off or None,
                "wearer_days": round(counts.wearer_days, 3),
                "agreement": None if counts.agreement is None else round(counts.agreement, 4),
                "alerts_per_day": _rates(counts),
                "drift": self._drift(roles.shadow, SHADOW, counts).most,
                "lacking": lack.lacking,
                "takeover": _waits_for(lack) if wanted.alerting == roles.shadow and not off else None,
            }
        return {
            "alerting": roles.alerting,
            "role": "fallback" if self._stands_in(roles.alerting) else "alerting",
            "fallback": self._detectors.fallback or None,
            "wanted": wanted.alerting,
            "drift": self._drift(roles.alerting, ALERTING, counts).most,
            "shadow": shadow,
            "wearers": lack.wearers,
        }

    async def run(self) -> None:
        """Tell the metrics again and again, until cancelled."""
        while True:
            self.tell()
            await asyncio.sleep(EVERY_S)

    def tell(self) -> None:
        """Set every gauge, and count what changed since the last time."""
        seen = self._look()
        roles, counts, off = seen.roles, seen.counts, seen.off
        if self._roles is not None and roles != self._roles:
            self._changed(self._roles, roles)
        self._roles = roles
        role = "fallback" if self._stands_in(roles.alerting) else "alerting"
        self._meter.gauge("detector_info", 1, model=roles.alerting, role=role)
        self._tell_drift(roles.alerting, "alerting", counts)
        self._meter.gauge("shadow_off", float(bool(off)))
        self._meter.gauge("shadow_wearer_days", counts.wearer_days if roles.shadow else 0.0)
        self._meter.gauge("shadow_agreement", _known(counts.agreement if roles.shadow else None))
        rates = _rates(counts) if roles.shadow else None
        for detector in _SIDES:
            for tier in range(1, TIERS + 1):
                rate = _NAN if rates is None else rates[detector][str(tier)]
                self._meter.gauge("shadow_alerts_per_day", rate, detector=detector, tier=str(tier))
        if roles.shadow:
            self._meter.gauge("detector_info", 1, model=roles.shadow, role="shadow")
            self._tell_drift(roles.shadow, "shadow", counts)
        if off and not self._off:
            self._meter.count("shadow_failures_total")
            _LOG.error("shadow_off", model=roles.shadow, reason=off)
        self._off = bool(off)

    def _changed(self, before: Roles, now: Roles) -> None:
        _LOG.info("detectors_changed", alerting=now.alerting, shadow=now.shadow, before=before.alerting)
        if before.alerting != now.alerting:
            self._meter.count("takeovers_total")
        for name, roles in ((before.alerting, ("alerting", "fallback")), (before.shadow, ("shadow",))):
            for role in roles if name else ():
                self._meter.gauge("detector_info", 0, model=name, role=role)
                for of in ("scores", "inputs"):
                    self._meter.gauge("model_drift", _NAN, model=name, role=role, of=of)

    def _tell_drift(self, name: str, role: str, counts: Counts) -> None:
        told = self._drift(name, _SIDES[role], counts)
        for of, value in (("scores", told.scores), ("inputs", told.inputs)):
            self._meter.gauge("model_drift", _known(value), model=name, role=role, of=of)

    def _drift(self, name: str, side: int, counts: Counts) -> Drift:
        return drift(self._detectors.reference(name), counts.scores[side], counts.inputs)

    def _stands_in(self, name: str) -> bool:
        return name == FALLBACK or bool(self._detectors.fallback)

    def _look(self) -> Sight:
        """Return the roles that most partitions have, the sums of those, and why the shadow is off in any."""
        sights = [state.sight for state in self._states() if isinstance(state, VitalsState)]
        if not sights:
            return Sight(Roles(self._detectors.decided.alerting), "", Counts.none(), Lack(0, 0))
        held = [sight.roles for sight in sights]
        roles = max(held, key=held.count)
        alike = [sight for sight in sights if sight.roles == roles]
        return Sight(
            roles,
            next((sight.off for sight in alike if sight.off), ""),
            sum((sight.counts for sight in alike), Counts.none()),
            sum((sight.lack for sight in alike), Lack(0, 0)),
        )


def _waits_for(lack: Lack) -> str:
    """Return what a takeover that is wanted waits for."""
    if lack.enough:
        return "It takes over with the next save of each partition."
    return (
        f"It knows {lack.lacking} of {lack.wearers} wearers too little: it takes over, partition by partition, once "
        f"all but {LACKING_MOST:.0%} were judged for {LEARNED_MIN} min."
    )


def _rates(counts: Counts) -> Mapping[str, Mapping[str, float]] | None:
    """Return alerts a wearer-day by detector and tier, None before the first wearer-day."""
    days = counts.wearer_days
    if days < 1.0:
        return None
    return {
        name: {str(tier): round(int(counts.alerts[side, tier - 1]) / days, 4) for tier in range(1, TIERS + 1)}
        for name, side in _SIDES.items()
    }


def _known(value: float | None) -> float:
    return _NAN if value is None else value

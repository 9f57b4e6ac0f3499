"""Who alerts and who runs in shadow: how one follows the other, without a wearer noticing but by what is found.

A model that is to alert comes from the shadow, with what it has learned of each wearer there: one that did not run in
shadow begins there, and takes over at a save once it has learned enough of them (`tally`). Who alerted before goes on
in shadow where that is wanted, so the way back is as short. A snapshot names both, and is opened with those: so a
change shows from a save on, and what is computed again from a saved state is what it was.

Where the one that alerted cannot be read, because its files are damaged or a release ships others, another takes its
place in the same state: open episodes go on, and nothing of the past is told again. What the absent one had learned is
kept aside, and it judges by that again as soon as it can be read; what it had half gathered is over by then, and goes.
What stands behind no weights, the one that stands in inherits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import numpy.typing as npt

from schemas.errors import ContractError
from stream_processors.operators.detector import Detector
from stream_processors.operators.eviction import Parts
from stream_processors.operators.shadow import PART, TALLY, TALLY_WEARERS, Shadow
from stream_processors.operators.tally import learning
from stream_processors.ports import Models, Roles

DETECTOR: Final = "detector"
ASIDE: Final = "aside"
INHERITED: Final = "inherited"
ASIDE_MOST_MS: Final = 7 * 86_400_000
"""Observed time for which what an absent detector had learned is kept: the topic reaches no further back either."""
_NAMES: Final = "roles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """What a detector that cannot be read had learned of each wearer, since when (observed time); no name: nothing."""

    name: str = ""
    since_ms: int = 0
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def blobs(self) -> dict[str, bytes]:
        """Return what a snapshot tells of it beside its arrays."""
        return {ASIDE: msgspec.msgpack.encode((self.name, self.since_ms))} if self.name else {}

    def parts(self) -> Parts:
        """Return its arrays as a snapshot has them."""
        return {ASIDE: self.arrays} if self.name else {}

    def at(self, observed_ms: int) -> "Aside":
        """Return what is kept at this time: itself, or nothing where it is too old."""
        return Aside() if self.name and observed_ms - self.since_ms > ASIDE_MOST_MS else self

    def rested(self, models: Models) -> "Aside":
        """Return it as its detector goes on from it, after whatever time."""
        detector = models.detector(self.name) if self.name else None
        return self if detector is None else replace(self, arrays=detector.rested(self.arrays))

    @classmethod
    def read(cls, blobs: Mapping[str, bytes], parts: Parts, *, observed_ms: int) -> "Aside":
        """Return what a snapshot keeps aside, unless that is too old."""
        if ASIDE not in blobs:
            return cls()
        name, since_ms = msgspec.msgpack.decode(blobs[ASIDE], type=tuple[str, int])
        return cls(name=name, since_ms=since_ms, arrays=dict(parts.get(ASIDE, {}))).at(observed_ms)


@dataclass(frozen=True, slots=True)
class Only:
    """The models of a system that has one detector."""

    make: Callable[[], Detector]

    def roles(self) -> Roles:
        """Return the one."""
        return Roles(self.make().name)

    def detector(self, name: str) -> Detector | None:
        """Return a new one, if it is called so."""
        made = self.make()
        return made if made.name == name else None


def written(roles: Roles) -> dict[str, bytes]:
    """Return the names as a snapshot has them."""
    return {_NAMES: msgspec.msgpack.encode((roles.alerting, roles.shadow))}


def roles_in(blobs: Mapping[str, bytes]) -> Roles:
    """Return the names that `written` put into a snapshot.

    Raises:
        ContractError: It has none.
    """
    try:
        return Roles(*msgspec.msgpack.decode(blobs[_NAMES], type=tuple[str, str]))
    except (KeyError, msgspec.MsgspecError) as error:
        raise ContractError(f"The saved state does not name its detectors: {type(error).__name__}.") from error


def opened(
    blobs: dict[str, bytes], parts: Parts, models: Models, *, observed_ms: int
) -> tuple[Roles, dict[str, bytes], Parts]:
    """Return who is to judge a saved state, and its blobs and parts with each detector's where that one finds it.

    Raises:
        ContractError: It does not name its detectors.
    """
    aside = Aside.read(blobs, parts, observed_ms=observed_ms)
    roles, aside, parts = _seated(roles_in(blobs), aside, parts, models, observed_ms=observed_ms)
    blobs = {name: blob for name, blob in blobs.items() if name != ASIDE}
    return roles, blobs | aside.blobs(), parts | aside.parts()


def taught(detector: Detector, parts: Parts) -> None:
    """Let the one that alerts take over what it had learned, or what it inherits."""
    if DETECTOR in parts:
        detector.load(parts[DETECTOR])
    else:
        detector.inherit(parts[INHERITED])


def _seated(now: Roles, aside: Aside, parts: Parts, models: Models, *, observed_ms: int) -> tuple[Roles, Aside, Parts]:
    """Return who judges a state that was saved with the roles `now`: somebody else where that one cannot be read.

    What was kept aside of whoever comes is put back; else it comes from the shadow, or inherits what it can.
    """
    if models.detector(now.alerting) is not None:
        return now, aside, parts
    next_one = models.roles().alerting
    rest = {name: part for name, part in parts.items() if name not in {DETECTOR, ASIDE}}
    left = Aside(name=now.alerting, since_ms=observed_ms, arrays=dict(parts[DETECTOR]))
    if next_one == aside.name:
        return Roles(next_one, now.shadow), Aside(), rest | {DETECTOR: aside.rested(models).arrays}
    if next_one == now.shadow:
        kept = {name: part for name, part in rest.items() if name not in {PART, TALLY, TALLY_WEARERS}}
        # Seated in shadow by this very save, it has judged nothing there yet.
        learned = {DETECTOR: parts[PART]} if parts.get(PART) else {INHERITED: parts[DETECTOR]}
        return Roles(next_one), left, kept | learned
    return Roles(next_one, now.shadow), left, rest | {INHERITED: parts[DETECTOR]}


def followed(
    now: Roles,
    shadow: Shadow,
    aside: Aside,
    models: Models,
    dump: Callable[[], tuple[dict[str, int], dict[str, bytes], Parts]],
) -> tuple[dict[str, int], dict[str, bytes], Parts] | None:
    """Return a state's dump with the detectors that are wanted now, None where nothing changes."""
    ready = not shadow.off and shadow.tally.lack.enough
    then = next_roles(now, models, shadow_ready=ready, aside=aside.name)
    if then == now:
        return None
    scalars, blobs, parts = dump()
    if shadow.off and now.shadow == then.alerting:
        return None  # it failed just now, as it was to be saved: what it learned is lost, and it does not take over
    parts = handed_over(parts, now, then, aside=aside.rested(models))
    if then.alerting == aside.name:
        blobs, parts = dict(blobs), dict(parts)
        blobs.pop(ASIDE, None)
        parts.pop(ASIDE, None)
    return scalars, blobs | written(then), parts


def next_roles(now: Roles, models: Models, *, shadow_ready: bool, aside: str = "") -> Roles:
    """Return who may alert and run in shadow from the next save on; `now` where nothing changes.

    `shadow_ready`: it runs, and has learned enough to alert. Who is kept `aside` needs no shadow: it had learned.
    """
    wanted = models.roles()
    if aside and wanted.alerting == aside and models.detector(aside) is not None:
        return Roles(aside, wanted.shadow if wanted.shadow in {now.alerting, now.shadow} else "")
    if wanted.alerting == now.alerting:
        next_one = Roles(now.alerting, wanted.shadow)
    elif wanted.alerting == now.shadow and shadow_ready:
        next_one = Roles(wanted.alerting, wanted.shadow)
    elif wanted.alerting == now.shadow:
        return now  # it failed in shadow, or knows the wearers too little: it does not take over
    else:
        next_one = Roles(now.alerting, wanted.alerting)
    known = (now.alerting, now.shadow, "")
    readable = next_one.shadow in known or models.detector(next_one.shadow) is not None
    return next_one if readable else Roles(next_one.alerting, now.shadow if next_one.alerting == now.alerting else "")


def handed_over(parts: Parts, now: Roles, then: Roles, *, aside: Aside) -> Parts:
    """Return the parts of a state with each detector's under its new role; a new one has none, and both count anew.

    Whoever stays in shadow has to learn still what it had to. Who stood in was never asked what it knows: it has all
    to learn before it may alert again.
    """
    of = {aside.name: aside.arrays, now.alerting: parts[DETECTOR], now.shadow: parts[PART]}
    kept = {name: part for name, part in parts.items() if name not in {DETECTOR, PART, TALLY, TALLY_WEARERS}}
    heard = learning(
        parts[TALLY_WEARERS],
        goes_on=then.shadow == now.shadow,
        knows=then.shadow != now.alerting or then.alerting != aside.name,
    )
    return (
        kept
        | {TALLY_WEARERS: heard}
        | {DETECTOR: of[then.alerting], PART: of.get(then.shadow, {}) if then.shadow else {}}
    )

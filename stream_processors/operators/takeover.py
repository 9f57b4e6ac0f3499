"""Who alerts and who runs in shadow: how one follows the other, without a wearer noticing but by what is found.

A model that is to alert comes from the shadow, with what it has learned of each wearer there: one that did not run in
shadow begins there, and takes over at the save after. Who alerted before goes on in shadow where that is wanted, so the
way back is as short. A snapshot names both, and is opened with those and no others: so a change shows from a save on,
and what is computed again from a saved state is what it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.errors import ContractError
from stream_processors.operators.detector import Detector
from stream_processors.operators.eviction import Parts
from stream_processors.operators.shadow import PART, TALLY, TALLY_WEARERS
from stream_processors.ports import Models, Roles

DETECTOR: Final = "detector"
_NAMES: Final = "roles"


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


def next_roles(now: Roles, models: Models, *, shadow_runs: bool) -> Roles:
    """Return who may alert and run in shadow from the next save on; `now` where nothing changes."""
    wanted = models.roles()
    if wanted.alerting == now.alerting:
        next_one = Roles(now.alerting, wanted.shadow)
    elif wanted.alerting == now.shadow and shadow_runs:
        next_one = Roles(wanted.alerting, wanted.shadow)
    elif wanted.alerting == now.shadow:
        return now  # it failed in shadow: it does not take over
    else:
        next_one = Roles(now.alerting, wanted.alerting)
    known = (now.alerting, now.shadow, "")
    readable = next_one.shadow in known or models.detector(next_one.shadow) is not None
    return next_one if readable else Roles(next_one.alerting, now.shadow if next_one.alerting == now.alerting else "")


def handed_over(parts: Parts, now: Roles, then: Roles) -> Parts:
    """Return the parts of a state with each detector's under its new role; a new one has none, and both count anew."""
    of = {now.alerting: parts[DETECTOR], now.shadow: parts[PART]}
    kept = {name: part for name, part in parts.items() if name not in {DETECTOR, PART, TALLY, TALLY_WEARERS}}
    return kept | {DETECTOR: of[then.alerting], PART: of.get(then.shadow, {}) if then.shadow else {}}

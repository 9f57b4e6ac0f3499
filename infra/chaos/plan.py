"""Which faults a run injects, in which order: drawn from a seed alone, so that a breach can be met again."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from schemas.errors import SetupError

Kind = Literal["kill", "stop", "restart", "evict"]

KINDS: Final[tuple[Kind, ...]] = ("kill", "stop", "restart")
"""SIGKILL; SIGSTOP for 10 s, then SIGCONT; the orderly end, after which the supervisor starts it again."""
FAMILIES: Final = ("storage", "vitals", "care")
TARGETS: Final = ("kafka", "gateway", "storage", "vitals", "care", "video", "zones", "api", "postgres")


@dataclass(frozen=True, slots=True)
class Fault:
    """One round's fault: what is done, to one process or to two at once."""

    kind: Kind
    targets: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} {'+'.join(self.targets)}"


def chosen_targets(text: str) -> tuple[str, ...]:
    """Return the targets that a list separated by commas names; raises SetupError for an unknown or missing one."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in TARGETS]
    if unknown or not names:
        raise SetupError(
            f"There is nothing called {', '.join(unknown)} to kill." if unknown else "Nothing to kill was named.",
            next_step=f"Name some of {','.join(TARGETS)}.",
        )
    return names


def draw_plan(targets: Sequence[str], *, rounds: int, seed: int) -> list[Fault]:
    """Return `rounds` faults for each target, in random order, with as many distinct ones as fit.

    A target's first three rounds are the three kinds on it alone; then it is hit together with another one, every pair
    and kind once before any comes again. One target alone repeats its kinds.
    """
    random_of = random.Random(seed)  # noqa: S311 - repeatable, not secret
    kinds = random_of.sample(KINDS, len(KINDS))
    left = Counter(dict.fromkeys(targets, rounds))
    plan: list[Fault] = []
    for turn in range(len(KINDS)):
        for place, target in enumerate(targets):
            if left[target]:
                plan.append(Fault(kinds[(turn + place) % len(kinds)], (target,)))
                left[target] -= 1
    pairs = [Fault(kind, pair) for pair in itertools.combinations(targets, 2) for kind in KINDS]
    while +left:
        random_of.shuffle(pairs)
        plan += _spent(pairs, left) if pairs else _alone(left)
    random_of.shuffle(plan)
    return plan


def with_evictions(plan: Sequence[Fault], *, evictions: int, seed: int) -> list[Fault]:
    """Return the plan with so many evictions of each family mixed in: its worker is stopped until another took over."""
    mixed = [*plan, *(Fault("evict", (family,)) for family in FAMILIES for _ in range(evictions))]
    if evictions:
        random.Random(seed).shuffle(mixed)  # noqa: S311 - repeatable, not secret
    return mixed


def _spent(pairs: Sequence[Fault], left: Counter[str]) -> list[Fault]:
    """Return the pairs that the targets' rounds still pay for, each paid by the one that has more left."""
    taken = []
    for fault in pairs:
        payer = max(fault.targets, key=lambda name: left[name])
        if left[payer]:
            left[payer] -= 1
            taken.append(fault)
    return taken


def _alone(left: Counter[str]) -> list[Fault]:
    """Return further rounds of a single target."""
    taken = []
    for turn, target in enumerate(left.elements()):
        taken.append(Fault(KINDS[turn % len(KINDS)], (target,)))
    left.clear()
    return taken

"""One step of the model: a minute of each of many wearers, in columns."""

from dataclasses import dataclass

from inference.slots import Bools, Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """One wave of minutes: at most one of each wearer.

    Attributes:
        slot: Wearer slot, shape (n,).
        minute: Minutes since 1970 UTC at which the minute begins, shape (n,).
        local_min: Minute of the wearer's day, 0 to 1439, shape (n,).
        values: Means over the minute, NaN where not measured, shape (n, VITAL_COUNT).
        steps: Steps, NaN where no sensor told, shape (n,).
        motion: Mean |a - 1 g| in g, NaN where no sensor told, shape (n,).
        gated: A value is known but not believed: off the wrist, of low quality, repeating itself; shape as `values`.
    """

    slot: Ints
    minute: Ints
    local_min: Ints
    values: Floats
    steps: Floats
    motion: Floats
    gated: Bools

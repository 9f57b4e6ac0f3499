"""What the others there say: are those whom a likely cause leaves out not raised, and would they have shown it?

A cause is likely only where those without it say so; where they do not, it stays possible and the excess
unexplained. A label too few makes an alert of a notice, a label too many a notice of an alert. Counts are asked by the
statistic of the scan, C ln(C/m) - (C - m), which bounds a Poisson tail (Chernoff).

Of those who are still while others move two things are asked:

* Would they have shown it? Had they been raised as the whole region is, at least one of them would more likely than not
  be flagged: ln 2 flags would be expected of them.
* Are they not raised? Here people are counted, not flags: who stays flagged for an hour is one. As many are usual as
  flags, over the root of their over-dispersion. From 2 nats on, once in seven times by chance, they are suspect, which
  is enough.

The limits are chosen on made scenes (`befallen`), where a panic in which nine of ten run is hardly ever a notice.
"""

import math
from typing import Final

SHOWN: Final = math.log(2.0)
SUSPECT: Final = 2.0
SUSPECT_Z: Final = 1.1
"""Of a common shift, as a normal quantile: once in seven."""
CERTAIN: Final = math.log(100.0)
LIKELY: Final = math.log(10.0)


def none_raised(people: int, expected: float, *, by: float, factor: float) -> bool:
    """Return whether those without a cause show that they are not raised.

    Args:
        people: How many different ones of them are flagged.
        expected: As many flags are usual of them.
        by: So many times the usual flags the whole region has.
        factor: Over-dispersion of the region's count.
    """
    usual = expected / math.sqrt(max(factor, 1.0))
    return by * expected >= SHOWN and (people <= usual or _nats(people, usual) < SUSPECT)


def none_shifted(shift: float, wearers: float, *, by: float, factor: float) -> bool:
    """Return whether those without a cause show that they do not share a common shift: they would be suspect else.

    Args:
        shift: Sum of their deviates, less what is usual.
        wearers: Wearer-bins judged of theirs.
        by: Mean shift of the whole region.
        factor: Over-dispersion of the region's shift.
    """
    suspect = SUSPECT_Z * math.sqrt(wearers * factor)
    return wearers > 0 and shift < suspect <= by * wearers


def spared(flags: float, expected: float, *, by: float) -> bool:
    """Return whether chance gives so few flags less than once in a hundred times to those raised as all are."""
    return flags < by * expected and _nats(flags, by * expected) >= CERTAIN


def raised(flags: float, expected: float) -> bool:
    """Return whether chance gives so many flags less than once in ten times."""
    return flags > expected and _nats(flags, expected) >= LIKELY


def _nats(count: float, mean: float) -> float:
    """Return C ln(C/m) - (C - m), infinite where nothing is expected and something seen."""
    if count == 0:
        return mean
    return math.inf if mean <= 0.0 else count * math.log(count / mean) - (count - mean)

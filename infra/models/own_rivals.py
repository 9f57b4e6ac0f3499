"""Pulsera's first detector, the fallback of the vitals family, as a row of the evaluation."""

from collections.abc import Sequence

from inference.pulsenet.evaluation.detectors.table import Rival


def own_rivals() -> Sequence[Rival]:
    """Rows that only this room can make, because it alone sees the stream processors."""
    return ()

"""How well scores rank minutes, without a threshold."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from inference.slots import Bools, Floats, Ints

BUFFERS_MIN: Final = (0, 5, 10, 15, 20)
THRESHOLDS: Final = 250


def auc_pr(score: Floats, anomalous: Bools, weight: Floats) -> float:
    """Average precision: the sum over thresholds of precision times the growth of recall; NaN scores rank last."""
    ranked = np.where(np.isfinite(score), score, -np.inf)
    order = np.argsort(-ranked, kind="stable")
    weighted = weight[order]
    found = np.cumsum(np.where(anomalous[order], weighted, 0.0))
    told = np.cumsum(weighted)
    last_of_tie = np.append(ranked[order][1:] != ranked[order][:-1], True)
    recall = found[last_of_tie] / found[-1]
    precision = found[last_of_tie] / told[last_of_tie]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def vus_pr(
    score: Floats,
    events: Sequence[tuple[int, int]],
    weight: Floats,
    *,
    buffers: Sequence[int] = BUFFERS_MIN,
) -> float:
    """Volume under the surface of precision over recall and buffer length, 0 to 1.

    Written from the definition in Paparrizos et al., PVLDB 15 (2022): around an event a label fades over half the
    buffer on each side as sqrt(1 - distance / buffer); true positives are the told minutes' labels; the positives are
    the mean of the hard and the faded labels' sums; recall is multiplied by the share of events of which any minute
    was told; the area is that of precision over recall, and the volume the mean area over the buffers.

    Args:
        score: Higher is more anomalous; NaN is never told, shape (T,).
        events: First minute and the one after the last.
        weight: How much each minute counts, shape (T,).
        buffers: Buffer lengths in minutes.
    """
    cuts = _cuts(score)
    return float(np.mean([_range_area(score, events, weight, cuts, buffer) for buffer in buffers]))


def _cuts(score: Floats) -> Floats:
    known = score[np.isfinite(score)]
    if not known.size:
        return np.empty(0)
    # Half of the thresholds lie among the highest hundredth, where the curve is decided.
    places = np.concatenate([np.linspace(0, 0.99, THRESHOLDS // 2), np.linspace(0.99, 1, THRESHOLDS // 2)])
    return np.unique(np.quantile(known, places, method="lower"))[::-1]


def _range_area(score: Floats, events: Sequence[tuple[int, int]], weight: Floats, cuts: Floats, buffer: int) -> float:
    if not len(cuts):
        return 0.0
    label = _faded(len(score), events, buffer)
    hard = sum(float(weight[start:end].sum()) for start, end in events)
    positives = (hard + float((label * weight).sum())) / 2
    ranked = np.where(np.isfinite(score), score, -np.inf)
    first_cut = np.searchsorted(-cuts, -ranked, side="left")
    told = _up_to(first_cut, weight, len(cuts))
    true = _up_to(first_cut, label * weight, len(cuts))
    seen_at = np.array([first_cut[max(0, start - buffer // 2) : end + buffer // 2].min() for start, end in events])
    seen = _up_to(seen_at, np.ones(len(events)), len(cuts)) / len(events)
    recall = np.minimum(true / positives, 1.0) * seen
    precision = np.divide(true, told, out=np.ones_like(true), where=told > 0)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _up_to(first_cut: Ints, amount: Floats, cuts: int) -> Floats:
    return np.cumsum(np.bincount(first_cut, weights=amount, minlength=cuts + 1)[:cuts])


def _faded(minutes: int, events: Sequence[tuple[int, int]], buffer: int) -> Floats:
    label = np.zeros(minutes)
    half = buffer // 2
    fade = np.sqrt(1.0 - np.arange(1, half + 1) / buffer) if half else np.empty(0)
    for start, end in events:
        label[start:end] = 1.0
        before = label[max(0, start - half) : start]
        np.maximum(before, fade[: len(before)][::-1], out=before)
        after = label[end : end + half]
        np.maximum(after, fade[: len(after)], out=after)
    return label

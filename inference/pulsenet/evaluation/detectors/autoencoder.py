"""A small recurrent autoencoder: what it cannot write down again is unusual."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from inference.pulsenet.evaluation.detectors.rest import personal_z
from inference.pulsenet.evaluation.detectors.vectors import by_side
from inference.pulsenet.evaluation.grid import Grid, grid
from inference.pulsenet.evaluation.protocol import Sided
from inference.pulsenet.series import Series
from inference.slots import Floats, Ints

WINDOW_MIN: Final = 30
STRIDE_MIN: Final = 5
TOLD_MIN: Final = 10
"""Of each half hour the end is judged, so that what has just begun is not averaged away."""
HIDDEN: Final = 16
BATCH: Final = 512
UPDATES: Final = 400
RATE: Final = 3e-3
LEAST_KNOWN: Final = 20


class LstmAutoencoder:
    """LSTM-AE (Malhotra et al., 2016) on half hours of deviation and steps, of made and recorded people."""

    name = "LSTM autoencoder"

    def __init__(self, population: Sequence[Series], *, seed: int) -> None:
        import torch

        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self._torch: Any = torch
        self._encoder: Any = torch.nn.LSTM(2, HIDDEN, batch_first=True)
        self._decoder: Any = torch.nn.LSTM(HIDDEN, HIDDEN, batch_first=True)
        self._out: Any = torch.nn.Linear(HIDDEN, 2)
        windows, _, _ = _windows(grid(population))
        self._fit(windows, np.random.default_rng(seed))

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Root mean square of what is left of the deviation at the end of the half hour, on the side of its mean."""
        laid = grid(series)
        windows, rows, ends = _windows(laid)
        left = np.empty(len(windows))
        with self._torch.no_grad():
            for start in range(0, len(windows), BATCH):
                batch = windows[start : start + BATCH]
                again = self._again(self._torch.from_numpy(batch)).numpy()
                left[start : start + BATCH] = np.sqrt(((again - batch)[:, -TOLD_MIN:, 0] ** 2).mean(axis=1))
        score, mean = np.full(laid.rate.shape, np.nan), np.full(laid.rate.shape, np.nan)
        for after in range(STRIDE_MIN):
            at = np.minimum(ends + after, laid.rate.shape[1] - 1)
            score[rows, at], mean[rows, at] = left, windows[:, -TOLD_MIN:, 0].mean(axis=1)
        return by_side(score, mean, np.isfinite(laid.rate) & np.isfinite(score), laid)

    def _again(self, windows: Any) -> Any:
        _, (summary, _) = self._encoder(windows)
        told, _ = self._decoder(summary[-1][:, None, :].expand(-1, windows.shape[1], -1))
        return self._out(told)

    def _fit(self, windows: Floats, draw: np.random.Generator) -> None:
        parts = (self._encoder, self._decoder, self._out)
        steps = self._torch.optim.Adam([one for part in parts for one in part.parameters()], lr=RATE)
        for _ in range(UPDATES):
            batch = self._torch.from_numpy(windows[draw.integers(0, len(windows), BATCH)])
            loss = ((self._again(batch) - batch) ** 2).mean()
            steps.zero_grad()
            loss.backward()
            steps.step()


def _windows(laid: Grid) -> tuple[Any, Ints, Ints]:
    """Half hours that end every fifth minute and are known for two thirds, shape (n, 30, 2); row and last minute."""
    z = personal_z(laid)
    both = np.stack([np.nan_to_num(z), np.log1p(laid.steps)], axis=-1).astype(np.float32)
    known = np.cumsum(np.pad(np.isfinite(z), ((0, 0), (1, 0))), axis=1)
    ends = np.arange(WINDOW_MIN - 1, z.shape[1], STRIDE_MIN)
    enough = known[:, ends + 1] - known[:, ends + 1 - WINDOW_MIN] >= LEAST_KNOWN
    rows, place = np.nonzero(enough)
    last = ends[place]
    index = last[:, None] + np.arange(1 - WINDOW_MIN, 1)
    return both[rows[:, None], index], rows, last

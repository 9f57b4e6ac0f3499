"""The network: two small recurrent nets shared by all wearers, one of which never learns what a vital was.

*context* sees `features.CONTEXT` alone and tells what to expect of each vital; as no value of a vital ever reaches its
state, it cannot follow an episode. *innovation* sees the last observed values too and tells the next minute. Each is
a gated recurrent unit and a linear read-out of its state and its inputs; the inputs' part begins as the linear model.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.numbers import T_DEGREES
from inference.pulsenet.series import VITAL_COUNT

CONTEXT_HIDDEN: Final = 32
INNOVATION_HIDDEN: Final = 32
LOG_BOUND: Final = 1.3
"""Log scales stay within +- this, as `predictor.scale_of` bounds them."""


class Half(nn.Module):
    """One recurrent net with its read-out: means and log scales of the vitals' distances."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden)
        self.direct = nn.Linear(inputs, 2 * VITAL_COUNT)
        self.recalled = nn.Linear(hidden, 2 * VITAL_COUNT, bias=False)
        nn.init.zeros_(self.recalled.weight)

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return means and log scales, shape (T, people, 2 VITAL_COUNT), and the last state."""
        held, last = self.gru(inputs, state)
        told = self.direct(inputs) + self.recalled(held)
        mean, logs = told[..., :VITAL_COUNT], told[..., VITAL_COUNT:]
        return torch.cat((mean, LOG_BOUND * torch.tanh(logs / LOG_BOUND)), dim=-1), last

    def begin_linear(self, mean: npt.NDArray[Any], log_scale: npt.NDArray[Any]) -> None:
        """Take over a linear model's weights, each shape (inputs + 1, VITAL_COUNT)."""
        weights = torch.from_numpy(np.concatenate((mean, log_scale), axis=1).astype(np.float32))
        with torch.no_grad():
            self.direct.weight.copy_(weights[:-1].T)
            self.direct.bias.copy_(weights[-1])


class TwoNets(nn.Module):
    """Both halves."""

    def __init__(self) -> None:
        super().__init__()
        self.context = Half(CONTEXT, CONTEXT_HIDDEN)
        self.innovation = Half(CONTEXT + SEEN, INNOVATION_HIDDEN)

    def begin_linear(self, ridge: Mapping[str, npt.NDArray[Any]]) -> None:
        """Begin where the linear model ends."""
        self.context.begin_linear(ridge["mean"], ridge["log_scale"])
        self.innovation.begin_linear(ridge["next_mean"], ridge["next_log_scale"])

    def forward(self, context: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each half tells, both (T, people, 2 VITAL_COUNT), from fresh states."""
        return self.context(context)[0], self.innovation(torch.cat((context, seen), dim=-1))[0]


def losses(told: Tensor, distance: Tensor, unsure: Tensor) -> Tensor:
    """Return the mean negative log likelihood of each vital, shape (VITAL_COUNT,), NaN distances left out.

    Student t with five degrees of freedom, its scale widened by what is not known of the wearer, as the engine does.
    A vital without any value has the loss 0.
    """
    mean, logs = told[..., :VITAL_COUNT], told[..., VITAL_COUNT:]
    known = ~torch.isnan(distance)
    variance = torch.exp(2.0 * logs) + unsure * unsure
    away = torch.where(known, distance - mean, 0.0)
    nll = 0.5 * torch.log(variance) + 0.5 * (T_DEGREES + 1.0) * torch.log1p(away * away / (T_DEGREES * variance))
    count = known.sum(dim=(0, 1)).clamp(min=1)
    return torch.where(known, nll, 0.0).sum(dim=(0, 1)) / count

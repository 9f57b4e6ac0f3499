"""The published network in numpy: what it said of a window, for whoever needs to compare with it.

Every window is computed by itself, in one fixed order of operations, so that no answer depends on how many were asked.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from inference.pulsenet.earlier.checkpoint import Weights
from inference.pulsenet.earlier.shapes import FEATURES, HEADS, LAYERS, MEAN, SCALE, STEPS, TENSORS, WIDTH
from inference.slots import Floats
from schemas.errors import ContractError

_F32 = npt.NDArray[np.float32]
_NORM_EPSILON: Final = np.float32(1e-5)
_LOG_EPSILON: Final = 1e-8
_SIGMA_LEAST: Final = np.float32(0.1)
_ROUND: Final = 1e6


@dataclass(frozen=True, slots=True)
class Inference:
    """What it says of n windows.

    Attributes:
        overall: Mean of the step scores, which its status was taken from, shape (n,).
        steps: Score of each step, 0 to 1, shape (n, STEPS).
        reconstruction: The window as it writes it down again, in bpm, ms, g, Cel, shape (n, STEPS, 4).
        discrepancy: Kullback-Leibler divergence of attention from its prior, shape (n,).
    """

    overall: Floats
    steps: Floats
    reconstruction: Floats
    discrepancy: Floats


class EarlierNetwork:
    """The network with somebody's weights."""

    def __init__(self, weights: Weights) -> None:
        """`weights` as `checkpoint.read` returns them."""
        self._weights = weights
        self._prior = np.stack([_prior(weights[f"layers.{n}.prior_association.sigma"]) for n in range(LAYERS)])

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the network of a file that `write` made.

        Raises:
            ContractError: It holds something else.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
                weights = {name: np.asarray(kept[name], dtype=np.float32) for name in TENSORS}
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ContractError(f"{path} holds no network: {type(error).__name__}.") from error
        if any(weights[name].shape != shape for name, shape in TENSORS.items()):
            raise ContractError(f"{path} holds a network of other shapes.")
        return cls(weights)

    def write(self, path: Path) -> None:
        """Write the weights as plain arrays."""
        np.savez(path, **self._weights)  # type: ignore[arg-type]  # the keywords are names of arrays alone

    def infer(self, windows: Floats) -> Inference:
        """Judge windows of heart rate, HRV, acceleration and skin temperature, shape (n, STEPS, 4).

        Raises:
            ContractError: The shape is another, or a value is no finite number.
        """
        if windows.shape[1:] != (STEPS, len(FEATURES)):
            raise ContractError(f"A window has {STEPS} rows of {len(FEATURES)} numbers: {', '.join(FEATURES)}.")
        if not np.isfinite(windows).all():
            raise ContractError("A window holds a value that is no finite number.")
        scaled = ((windows - MEAN) / SCALE).astype(np.float32)
        hidden = self._linear("input_projection", scaled) + self._weights["positional_embedding"]
        discrepancy = np.zeros(len(windows))
        for layer in range(LAYERS):
            hidden, attention = self._layer(layer, hidden)
            discrepancy += _divergence(self._prior[layer], attention)
        again = self._linear("reconstruction_head", hidden).astype(np.float64) * SCALE + MEAN
        inner = _gelu(self._linear("anomaly_head.0", hidden))
        logits = self._linear("anomaly_head.2", inner)[:, :, 0].astype(np.float64)
        steps = _rounded(_sigmoid(logits))
        return Inference(_rounded(steps.mean(axis=1)), steps, _rounded(again), _rounded(discrepancy / LAYERS))

    def _layer(self, number: int, hidden: _F32) -> tuple[_F32, _F32]:
        at = f"layers.{number}"
        normed = self._norm(f"{at}.norm1", hidden)
        query, key, value = (_heads(self._linear(f"{at}.series_association.W_{part}", normed)) for part in "qkv")
        attention = _softmax(query @ key.swapaxes(-1, -2) * np.float32((WIDTH // HEADS) ** -0.5))
        mixed = (attention @ value).swapaxes(1, 2).reshape(hidden.shape)
        hidden = hidden + self._linear(f"{at}.series_association.W_o", mixed)
        inner = _gelu(self._linear(f"{at}.ff.0", self._norm(f"{at}.norm2", hidden)))
        return hidden + self._linear(f"{at}.ff.3", inner), attention

    def _linear(self, name: str, values: _F32) -> _F32:
        told: _F32 = values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return told

    def _norm(self, name: str, values: _F32) -> _F32:
        centred = values - values.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _NORM_EPSILON)
        told: _F32 = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return told


def _heads(values: _F32) -> _F32:
    return np.ascontiguousarray(values.reshape(len(values), STEPS, HEADS, WIDTH // HEADS).swapaxes(1, 2))


def _softmax(values: _F32) -> _F32:
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    told: _F32 = raised / raised.sum(axis=-1, keepdims=True)
    return told


def _gelu(values: _F32) -> _F32:
    """Return x Phi(x), by the error function and not its approximation (Hendrycks and Gimpel, 2016)."""
    from scipy.special import erf

    told: _F32 = values * np.float32(0.5) * (np.float32(1.0) + erf(values * np.float32(np.sqrt(0.5))))
    return told


def _sigmoid(values: Floats) -> Floats:
    told: Floats = 0.5 * (1.0 + np.tanh(0.5 * values))
    return told


def _prior(sigma: _F32) -> Floats:
    """Return how much each step should attend to each, a Gaussian of their distance averaged over heads."""
    at = np.arange(STEPS, dtype=np.float64)
    width = np.maximum(sigma, _SIGMA_LEAST).astype(np.float64)[:, None, None]
    bell = np.exp(-0.5 * (np.abs(at[:, None] - at[None, :]) / width) ** 2)
    told: Floats = (bell / bell.sum(axis=-1, keepdims=True)).mean(axis=0)
    return told


def _divergence(prior: Floats, attention: _F32) -> Floats:
    """Return the mean over steps of KL(prior, attention), heads averaged, shape (n,)."""
    paid = attention.mean(axis=1, dtype=np.float64)
    known = np.where(prior > 0.0, prior, 1.0)
    parts = np.where(prior > 0.0, prior * (np.log(known) - np.log(paid + _LOG_EPSILON)), 0.0)
    told: Floats = parts.sum(axis=-1).mean(axis=-1)
    return told


def _rounded(values: Any) -> Floats:
    """Return values to the millionth, so that a last bit that differs between machines decides nothing."""
    told: Floats = np.rint(values * _ROUND) / _ROUND
    return told

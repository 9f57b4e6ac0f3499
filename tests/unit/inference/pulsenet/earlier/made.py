"""Checkpoints of the published architecture with made-up weights, written by torch, and torch's own answer to them.

Torch is loaded where it is used: no other test should wait for it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inference.pulsenet.earlier.shapes import HEADS, LAYERS, MEAN, SCALE, STEPS, TENSORS, WIDTH
from inference.slots import Floats


def weights(seed: int = 7) -> dict[str, Any]:
    """Return made-up weights, by name, as torch tensors."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(shape, generator=draw) * 0.15 for name, shape in TENSORS.items()}
    for name, tensor in made.items():
        if "norm" in name and name.endswith("weight"):
            tensor.add_(1.0)
        if name.endswith("sigma"):
            tensor.abs_().add_(torch.tensor([0.02, 0.5, 2.0, 9.0]))
    return made


def checkpoint(path: Path, **changes: Any) -> Path:
    """Write a checkpoint as the earlier system did; `changes` replace tensors."""
    import torch

    told = {"model_state_dict": weights() | changes, "epoch": 14, "val_loss": 2.41, "auc": np.float64(1.0)}
    torch.save(told | {"config": {"seq_len": STEPS, "n_features": 4}}, path)
    return path


def windows(count: int, *, seed: int = 3) -> Floats:
    """Return windows around the published means, among them ones with missing values told as zero."""
    made = MEAN + SCALE * np.random.default_rng(seed).normal(size=(count, STEPS, 4))
    made[0, :, :2] = 0.0
    return made


def by_torch(tensors: Mapping[str, Any], window: Floats) -> tuple[Floats, Floats]:
    """Return what torch's own parts say of windows: step scores and what is written down again."""
    import torch

    functional: Any = torch.nn.functional

    def linear(name: str, values: Any) -> Any:
        return functional.linear(values, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    def norm(name: str, values: Any) -> Any:
        return functional.layer_norm(values, (WIDTH,), tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    values = linear("input_projection", torch.tensor((window - MEAN) / SCALE, dtype=torch.float32))
    values = values + tensors["positional_embedding"]
    for layer in range(LAYERS):
        at = f"layers.{layer}"
        query, key, value = (
            linear(f"{at}.series_association.W_{part}", norm(f"{at}.norm1", values))
            .unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for part in "qkv"
        )  # fmt: skip
        mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        values = values + linear(f"{at}.series_association.W_o", mixed)
        inner = functional.gelu(linear(f"{at}.ff.0", norm(f"{at}.norm2", values)))
        values = values + linear(f"{at}.ff.3", inner)
    again = linear("reconstruction_head", values)
    scores = torch.sigmoid(linear("anomaly_head.2", functional.gelu(linear("anomaly_head.0", values))))[:, :, 0]
    return scores.double().numpy(), again.double().numpy() * SCALE + MEAN

"""The model's bench counts the work that it compares with."""

import pytest

from inference.pulsenet.weights import loading
from inference.pulsenet.weights.loading import FILES, FOLDER
from infra.bench.network import BOUND_PER_S, measure, products


def test_products_are_those_of_the_shipped_graph() -> None:
    """The multiplications counted are the entries of all matrices of the graph, each of which is used once a step."""
    onnx = pytest.importorskip("onnx", reason="onnx comes with the extra `train`")
    constants = onnx.load(FOLDER / FILES["network"]).graph.initializer
    entries = sum(one.dims[0] * one.dims[1] for one in constants if len(one.dims) == 2)
    assert products(loading.predictor("network").width) == entries


def test_every_part_is_timed() -> None:
    """Each figure is of 512 wearers, of twelve steps each where they have twelve bins; rate and time fit together."""
    figures = measure(rounds=4)
    steps = {
        "network": 512, "matrix product of the same work": 512, "linear model": 512, "engine with the network": 512,
        "whole operator, a bin a minute": 512, "whole operator, a bin every 5 s": 12 * 512,
    }  # fmt: skip
    assert list(figures) == list(steps)
    for name, figure in figures.items():
        assert figure.best_per_s == pytest.approx(steps[name] * 1e6 / figure.min_us, rel=0.01)
    assert BOUND_PER_S == 500_000

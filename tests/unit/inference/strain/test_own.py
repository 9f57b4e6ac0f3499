"""Somebody's own model of strain: what is kept and what is refused, with the reason."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from inference.strain.model import FOLDER, GRAPH
from inference.strain.own import MOST_BYTES, OwnModel, opsets
from schemas.errors import ContractError

onnx = pytest.importorskip("onnx")


def made(
    kind: str = "Sigmoid",
    *,
    rows: str | int = "n",
    width: int = 4,
    opset: int = 17,
    domain: str = "",
    more: Sequence[Any] = (),
    inputs: Sequence[str] = ("x",),
) -> bytes:
    """Return a model of one node, the mean of whose row is squashed."""
    from onnx import TensorProto, helper

    node = helper.make_node(kind, ["m"], ["y"], domain=domain)
    weighted = helper.make_node("Mul", ["x", more[0].name if more else "x"], ["xw"])
    mean = helper.make_node("ReduceMean", ["xw"], ["m"], axes=[1], keepdims=1)
    graph = helper.make_graph(
        [weighted, mean, node],
        "own",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, width]) for name in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 1])],
        list(more),
    )
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=imports)
    model.ir_version = 8
    data: bytes = model.SerializeToString()
    return data


def elsewhere(location: str) -> Any:
    """Return a constant whose numbers lie in another file."""
    from onnx import TensorProto, external_data_helper, numpy_helper

    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    external_data_helper.set_external_data(tensor, location=location)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def test_a_model_of_four_numbers_is_kept() -> None:
    """A plain model and the one that ships are taken, and tell a strain."""
    assert 0.9 < OwnModel(made()).strain((70.0, 4.0, 40.0, 15.0)) <= 1
    shipped = OwnModel((FOLDER / GRAPH).read_bytes())
    assert 0 < shipped.strain((70.0, 4.0, 40.0, 15.0)) < 1
    assert dict(opsets((FOLDER / GRAPH).read_bytes())) == {"": 17, "ai.onnx.ml": 3}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no ONNX model"),
        (b"PK\x03\x04 a zip", "no ONNX model"),
        (b"\x80\x04\x95 a pickle", "no ONNX model"),
        (bytes(MOST_BYTES + 1), "over 16 MiB"),
        (made(width=5), "4 numbers a row"),
        (made(rows=7), "4 numbers a row"),
        (made(inputs=("x", "z")), "one input"),
        (made(opset=7), "not run here"),
        (made(domain="com.example.own"), "not run here"),
        (made("Neg"), "one probability"),
        (made(more=[elsewhere("weights.bin")]), "second file"),
        (made(more=[elsewhere("/etc/passwd")]), "second file"),
    ],
)
def test_anything_else_is_refused_with_the_reason(data: bytes, sentence: str) -> None:
    """No ONNX, too large, another shape, foreign operators, a second file, or no probability: each has its sentence."""
    with pytest.raises(ContractError, match=sentence):
        OwnModel(data)

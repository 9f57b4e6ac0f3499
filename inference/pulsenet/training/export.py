"""The trained network as one ONNX graph: one step of `predictor.PAD_ROWS` wearers, written node by node."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.predictor import PAD_ROWS
from inference.pulsenet.series import VITAL_COUNT
from inference.pulsenet.training.network import CONTEXT_HIDDEN, INNOVATION_HIDDEN, LOG_BOUND, Half, TwoNets

_OPSET: Final = 17
_IR: Final = 8

_F32 = npt.NDArray[np.float32]


class _Graph:
    """Nodes and constants, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], outputs: list[str], *, axis: int | None = None) -> str:
        made = helper.make_node(kind, inputs, outputs, name=f"{kind} {outputs[0]}", axis=axis)
        self.nodes.append(made)
        return outputs[0]


def export(network: TwoNets, path: Path) -> None:
    """Write the network.

    Inputs `context` (512, CONTEXT), `seen` (512, SEEN), `state` (512, 64), float32; outputs `mean`, `log_scale`,
    `next_mean`, `next_log_scale` (512, VITAL_COUNT) and `new_state`. Nothing but sums, products, logistic and tanh.
    """
    graph = _Graph()
    graph.constant("widths", np.array([CONTEXT_HIDDEN, INNOVATION_HIDDEN], dtype=np.int64))
    graph.node("Split", ["state", "widths"], ["held.context", "held.innovation"], axis=1)
    _half(graph, "context", "context", network.context, ("mean", "log_scale"))
    graph.node("Concat", ["context", "seen"], ["all"], axis=1)
    _half(graph, "innovation", "all", network.innovation, ("next_mean", "next_log_scale"))
    graph.node("Concat", ["new.context", "new.innovation"], ["new_state"], axis=1)
    width = CONTEXT_HIDDEN + INNOVATION_HIDDEN
    outputs = dict.fromkeys(("mean", "log_scale", "next_mean", "next_log_scale"), VITAL_COUNT)
    made = helper.make_graph(
        graph.nodes,
        "pulsenet",
        [_value(name, size) for name, size in (("context", CONTEXT), ("seen", SEEN), ("state", width))],
        [_value(name, size) for name, size in {**outputs, "new_state": width}.items()],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="pulsera")
    model.ir_version = _IR
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _value(name: str, size: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [PAD_ROWS, size])


def _half(graph: _Graph, name: str, inputs: str, half: Half, outputs: tuple[str, str]) -> None:
    """Add the gates of a recurrent unit as PyTorch defines them (reset, update, candidate), and the read-out."""
    hidden = half.gru.hidden_size
    for side, source in (("in", inputs), ("held", f"held.{name}")):
        kind = "ih" if side == "in" else "hh"
        weights = graph.constant(f"{name}.{side}.weights", _array(half.gru, f"weight_{kind}_l0").T)
        bias = graph.constant(f"{name}.{side}.bias", _array(half.gru, f"bias_{kind}_l0"))
        graph.node("Gemm", [source, weights, bias], [f"{name}.{side}"])
    sizes = graph.constant(f"{name}.sizes", np.array([2 * hidden, hidden], dtype=np.int64))
    for side in ("in", "held"):
        graph.node("Split", [f"{name}.{side}", sizes], [f"{name}.{side}.gates", f"{name}.{side}.new"], axis=1)
    graph.node("Add", [f"{name}.in.gates", f"{name}.held.gates"], [f"{name}.sum"])
    graph.node("Sigmoid", [f"{name}.sum"], [f"{name}.gates"])
    graph.node("Split", [f"{name}.gates"], [f"{name}.reset", f"{name}.update"], axis=1)
    graph.node("Mul", [f"{name}.reset", f"{name}.held.new"], [f"{name}.kept"])
    graph.node("Add", [f"{name}.in.new", f"{name}.kept"], [f"{name}.candidate.in"])
    graph.node("Tanh", [f"{name}.candidate.in"], [f"{name}.candidate"])
    graph.node("Sub", [f"held.{name}", f"{name}.candidate"], [f"{name}.difference"])
    graph.node("Mul", [f"{name}.update", f"{name}.difference"], [f"{name}.part"])
    graph.node("Add", [f"{name}.candidate", f"{name}.part"], [f"new.{name}"])
    _read_out(graph, name, inputs, half, outputs)


def _read_out(graph: _Graph, name: str, inputs: str, half: Half, outputs: tuple[str, str]) -> None:
    direct = graph.constant(f"{name}.direct", _array(half.direct, "weight").T)
    bias = graph.constant(f"{name}.bias", _array(half.direct, "bias"))
    recalled = graph.constant(f"{name}.recalled", _array(half.recalled, "weight").T)
    graph.node("Gemm", [inputs, direct, bias], [f"{name}.linear"])
    graph.node("Gemm", [f"new.{name}", recalled, f"{name}.linear"], [f"{name}.told"])
    bound = graph.constant(f"{name}.bound", np.array(LOG_BOUND, dtype=np.float32))
    graph.node("Split", [f"{name}.told"], [outputs[0], f"{name}.logs"], axis=1)
    graph.node("Div", [f"{name}.logs", bound], [f"{name}.share"])
    graph.node("Tanh", [f"{name}.share"], [f"{name}.bounded"])
    graph.node("Mul", [f"{name}.bounded", bound], [outputs[1]])


def _array(module: object, name: str) -> _F32:
    values: _F32 = getattr(module, name).detach().numpy().astype(np.float32)
    return values

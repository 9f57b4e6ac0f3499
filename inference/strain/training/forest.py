"""Boosted trees of depth two, fitted by scikit-learn, and the same trees as an ONNX graph of three nodes."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import Floats, Ints
from inference.strain.model import FEATURES

TREES: Final = 60
_OPSET: Final = 17
_ML_OPSET: Final = 3
_IR: Final = 8


def fitted(features: Floats, stressed: Ints) -> Any:
    """Return trees fitted to windows, as if there were as many stressed as not."""
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(
        n_estimators=TREES, max_depth=2, learning_rate=0.1, min_samples_leaf=20, random_state=0
    )
    share = stressed.mean()
    weight = np.where(stressed == 1, 0.5 / share, 0.5 / (1 - share))
    return model.fit(_single(features), stressed, sample_weight=weight)


def strain(model: Any, features: Floats) -> Floats:
    """Return the strain of windows, 0 to 1."""
    told: Floats = model.predict_proba(_single(features))[:, 1]
    return told


def exported(model: Any) -> bytes:
    """Return the trees as ONNX: `features` (n, 4) float32 to `strain` (n, 1) float32."""
    from onnx import TensorProto, helper

    trees = [
        _tree(number, estimator[0].tree_, model.learning_rate) for number, estimator in enumerate(model.estimators_)
    ]
    prior = model.init_.class_prior_[1]
    nodes: Mapping[str, Any] = {name: [value for tree in trees for value in tree[name]] for name in trees[0]}
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["log_odds"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        base_values=[float(np.log(prior / (1 - prior)))],
        **nodes,
    )
    graph = helper.make_graph(
        [ensemble, helper.make_node("Sigmoid", ["log_odds"], ["strain"])],
        "strain",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["windows", len(FEATURES)])],
        [helper.make_tensor_value_info("strain", TensorProto.FLOAT, ["windows", 1])],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    )
    made.ir_version = _IR
    data: bytes = made.SerializeToString()
    return data


def _single(features: Floats) -> npt.NDArray[np.float32]:
    """Return features as the served graph gets them, so that both see the same numbers."""
    return features.astype(np.float32)


def _tree(number: int, tree: Any, rate: float) -> dict[str, list[Any]]:
    """Return the nodes of one tree in the words of the operator."""
    leaf = tree.children_left < 0
    ids = list(range(tree.node_count))
    # The operator compares single numbers: the nearest one below keeps every window on its side.
    edges = tree.threshold.astype(np.float32)
    edges = np.where(edges > tree.threshold, np.nextafter(edges, np.float32(-np.inf)), edges)
    leaves = np.flatnonzero(leaf)
    return {
        "nodes_treeids": [number] * tree.node_count,
        "nodes_nodeids": ids,
        "nodes_featureids": np.where(leaf, 0, tree.feature).tolist(),
        "nodes_values": np.where(leaf, 0.0, edges).tolist(),
        "nodes_modes": ["LEAF" if one else "BRANCH_LEQ" for one in leaf],
        "nodes_truenodeids": np.where(leaf, 0, tree.children_left).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, tree.children_right).tolist(),
        "target_treeids": [number] * len(leaves),
        "target_nodeids": leaves.tolist(),
        "target_ids": [0] * len(leaves),
        "target_weights": (rate * tree.value[leaves, 0, 0]).tolist(),
    }

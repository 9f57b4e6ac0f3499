"""The strain model as it is served: four numbers in, a strain from 0 to 1 out, or the reason why none is told."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

FOLDER: Final = Path(__file__).parent / "weights"
GRAPH: Final = "strain.onnx"
MANIFEST: Final = "manifest.json"
FEATURES: Final = ("mean_hr", "std_hr", "rmssd", "pnn50")
"""Heart rate and its standard deviation over the beats in bpm, RMSSD in ms, pNN50 in percent."""
WINDOW_S: Final = 60
SHORTEST_S, LONGEST_S = 50.0, 180.0
"""Variability over a shorter or longer stretch is not that of the windows that the model was fitted to."""

NO_MODEL: Final = "no_validated_model"
MEANING: Final = (
    "How much heart rate and variability look like those of people under an acute stress task (a Stroop test, an "
    "interview, fast breathing) rather than at rest. It is no risk of any disease, and no finding about a person."
)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the weights: `low` and `high` bound the features seen, `medium` and `strong` the levels."""

    name: str
    sha256: str
    area: float
    area_low: float
    area_high: float
    low: tuple[float, float, float, float]
    high: tuple[float, float, float, float]
    medium: float
    strong: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the model tells of one recording; without a value `reason` says why."""

    strain: float | None
    level: str | None
    reason: str


def shipped(folder: Path = FOLDER) -> Manifest | None:
    """Return what is known of the weights that ship, None where none do; nothing is loaded.

    Raises:
        msgspec.MsgspecError: The manifest is not one.
    """
    path = folder / MANIFEST
    return msgspec.json.decode(path.read_bytes(), type=Manifest) if path.is_file() else None


class Strain:
    """A loaded model."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Load the weights of a folder.

        Raises:
            FileNotFoundError: There are none.
            ValueError: They are not those of their manifest.
        """
        manifest = shipped(folder)
        if manifest is None:
            raise FileNotFoundError(folder / MANIFEST)
        data = (folder / GRAPH).read_bytes()
        if hashlib.sha256(data).hexdigest() != manifest.sha256:
            raise ValueError(f"{GRAPH} is not the one that {MANIFEST} names.")
        self.manifest = manifest
        self._session = session(data)

    def judge(self, *, mean_hr: float, std_hr: float, rmssd: float, pnn50: float, window_s: float) -> Told:
        """Return the strain of one stretch of beats."""
        features = np.array([mean_hr, std_hr, rmssd, pnn50])
        if not SHORTEST_S <= window_s <= LONGEST_S:
            return Told(strain=None, level=None, reason="too_short" if window_s < SHORTEST_S else "too_long")
        low, high = np.array(self.manifest.low), np.array(self.manifest.high)
        if not ((features >= low) & (features <= high)).all():
            return Told(strain=None, level=None, reason="out_of_distribution")
        strain = float(self._session.run(None, {"features": features[None].astype(np.float32)})[0][0, 0])
        edges = (self.manifest.medium, self.manifest.strong)
        level = ("low", "medium", "high")[int(np.searchsorted(edges, strain, side="right"))]
        return Told(strain=strain, level=level, reason="ok")


def session(data: bytes) -> Any:
    """Return an onnxruntime session of one thread for the bytes of a graph, which can name no other file.

    Raises:
        Exception: onnxruntime's own, where the bytes are no graph that it can run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

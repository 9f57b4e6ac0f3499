"""`pulsera bench state`: what a `vitals` worker keeps of a wearer, part by part, and what of it is saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.bench.workloads import Size, frames_of
from infra.detectors import PULSENET, shipped_detectors
from infra.metrics.meter import PrometheusMeter
from stream_processors.families.vitals import FORMAT, VitalsFamily
from stream_processors.hosts.saving import pack
from stream_processors.operators.packing import unpack_parts
from stream_processors.operators.takeover import DETECTOR

_SECONDS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSizes:
    """Bytes a wearer: by part of the state, the detector's own parts as `detector.NAME`; all, and all compressed."""

    wearers: int
    parts: Mapping[str, float]
    whole: float
    saved: float


def measure(*, wearers: int) -> StateSizes:
    """Let so many wearers send a reading a second for ten minutes, and look at the state of their partition."""
    family = VitalsFamily(models=shipped_detectors(PULSENET, PrometheusMeter()))
    state = family.open(0, None)
    for record in frames_of(Size(wearers=wearers, readings=wearers, seconds=_SECONDS)):
        state.step(record)
    blob = state.snapshot()
    sizes: dict[str, float] = {}
    for part, arrays in unpack_parts(FORMAT, blob)[2].items():
        for name, array in arrays.items():
            shown = f"{part}.{name.partition('.')[0]}" if part == DETECTOR else part
            sizes[shown] = sizes.get(shown, 0.0) + array.nbytes / wearers
    return StateSizes(wearers=wearers, parts=sizes, whole=len(blob) / wearers, saved=len(pack(blob)) / wearers)


def show(sizes: StateSizes) -> None:
    """Print the sizes, the largest first; parts of a few bytes together."""
    large = {part: size for part, size in sizes.parts.items() if size >= 1}
    for part, size in sorted(large.items(), key=lambda item: -item[1]):
        print(f"{part:20} {size:7.0f} bytes a wearer")
    detector = sum(size for part, size in sizes.parts.items() if part.startswith(f"{DETECTOR}."))
    print(f"{'the detector':20} {detector:7.0f} bytes a wearer")
    print(f"{'all':20} {sizes.whole:7.0f} bytes a wearer, {sizes.saved:.0f} of them once compressed, as they are saved")

"""The models that are installed, and who has which role: a folder that commands write and workers read.

What ships with Pulsera is always there. Beside it, `DIR/NAME/` holds one model each, with what is known of it in
`model.json`; `DIR/roles.json` says who alerts and who runs in shadow, where somebody chose.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from inference.pulsenet.drift import Reference, file_of
from inference.pulsenet.earlier import checkpoint
from inference.pulsenet.earlier.network import EarlierNetwork
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.weights import loading
from infra.settings import Settings
from schemas.errors import ContractError, SetupError
from stream_processors.operators.detector import Detector
from stream_processors.operators.resting import RestingDetector
from stream_processors.operators.score import RestingRate

EARLIER: Final = "earlier"
RESTING: Final = "resting-rate"
ROLES: Final = "roles.json"
EVALUATION: Final = "evaluation.json"
_ABOUT: Final = "model.json"
_NETWORK: Final = "network.npz"

Origin = Literal["shipped", "trained", "imported", "built in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model.

    Attributes:
        id: What commands call it: its kind and the beginning of its digest.
        name: What scores and evidence call it.
        kind: network, ridge, earlier or resting-rate.
        origin: Where it comes from.
        digest: SHA-256 of its manifest or weights.
        folder: Where its files are, None where it has none.
    """

    id: str
    name: str
    kind: str
    origin: Origin
    digest: str
    folder: Path | None = None

    @property
    def lacks(self) -> str:
        """Why it may not alert, empty where it may."""
        if self.kind == EARLIER:
            return "a network of the earlier system runs in shadow alone: it has no calibration, and known defects"
        if self.folder is None:
            return "it has no calibration; PULSERA_DETECTOR=resting-rate lets it judge, in the model's place"
        if self.origin != "shipped" and not _is_evaluated(self.folder):
            return "its weights came without the evaluation that this release's `pulsera train pulsenet` writes"
        return ""

    def maker(self) -> Callable[[], Detector]:
        """Return what makes its detectors; its files are read once, here.

        Raises:
            ContractError: A file is missing, or is not what it was.
        """
        if self.folder is None:
            return RestingDetector
        if self.kind == EARLIER:
            from stream_processors.operators.earlier import EarlierDetector

            if loading.digest(self.folder / _NETWORK) != self.digest:
                raise ContractError(f"{self.folder / _NETWORK} is not the file that was imported.")
            network, name = EarlierNetwork.read(self.folder / _NETWORK), self.name
            return lambda: EarlierDetector(network, name=name)
        from inference.pulsenet.calibration import Calibration
        from stream_processors.operators.pulsenet import PulseNetDetector

        kind: loading.Kind = "network" if self.kind == "network" else "ridge"
        predictor, people = loading.predictor(kind, folder=self.folder), loading.population(kind, folder=self.folder)
        return lambda: PulseNetDetector(PulseNet(predictor, Calibration(people)))

    @property
    def network(self) -> Path:
        """The file of a network of the earlier system.

        Raises:
            SetupError: It is another kind of model.
        """
        if self.folder is None or self.kind != EARLIER:
            raise SetupError(f"{self.id} is no network of the earlier system.", next_step="See: pulsera models list.")
        return self.folder / _NETWORK

    def engine(self) -> PulseNet | None:
        """Return a new engine of its weights, None where it is another kind of model.

        Raises:
            ContractError: As `maker`.
        """
        if self.folder is None or self.kind == EARLIER:
            return None
        kind: loading.Kind = "network" if self.kind == "network" else "ridge"
        return loading.load(kind, folder=self.folder)

    def keep(self, reference: Reference) -> None:
        """Write what it met beside its weights."""
        if self.folder is not None:
            reference.write(self.folder / file_of(self.kind))

    def reference(self) -> Reference | None:
        """Return what it met where it was made, None where nobody kept that, or it is another model's."""
        if self.folder is None:
            return None
        try:
            told = Reference.read(self.folder / file_of(self.kind))
        except ContractError:
            return None
        return told if told.model == self.name else None


class Models:
    """All of them."""

    def __init__(self, folder: Path, *, shipped: Path = loading.FOLDER) -> None:
        self.folder = folder
        self._shipped = shipped

    @classmethod
    def of(cls, settings: Settings) -> "Models":
        """Return the models of an installation."""
        return cls((settings.models_dir or settings.data_dir / "models").expanduser())

    def all(self) -> list[Model]:
        """Return every model whose files are there, the shipped ones first."""
        found = [*_weights(self._shipped, "shipped"), _resting()]
        for folder in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            found += _installed(folder)
        return found

    def find(self, text: str) -> Model:
        """Return the model of which this is the name, the id, or a beginning of the id that no other has.

        Raises:
            SetupError: There is none, or several.
        """
        everything = self.all()
        exact = [one for one in everything if text in {one.id, one.name}]
        found = exact or [one for one in everything if one.id.startswith(text)]
        if len(found) != 1:
            told = "is not installed" if not found else "may be several: " + ", ".join(one.id for one in found)
            raise SetupError(f"The model {text!r} {told}.", next_step="See what there is: pulsera models list.")
        return found[0]

    @property
    def shipped(self) -> Model | None:
        """The one that alerts where nobody chose, None where its manifest cannot be read."""
        return next((one for one in _weights(self._shipped, "shipped") if one.kind == loading.SHIPPED), None)

    def wanted(self) -> tuple[str, str]:
        """Return the names of who is to alert and who is to run in shadow, empty where nobody chose."""
        try:
            told: Any = json.loads((self.folder / ROLES).read_text())
            return str(told["alerting"]), str(told["shadow"])
        except FileNotFoundError:
            return "", ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ContractError(f"{self.folder / ROLES} cannot be read: {type(error).__name__}.") from error

    def changed(self) -> tuple[int, int] | None:
        """Return what differs once roles were written, None while nobody chose."""
        try:
            told = (self.folder / ROLES).stat()
        except OSError:
            return None
        return told.st_mtime_ns, told.st_ino

    def want(self, *, alerting: str, shadow: str) -> None:
        """Write who is to have which role."""
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{ROLES}"
        beside.write_text(json.dumps({"alerting": alerting, "shadow": shadow}) + "\n")
        beside.replace(self.folder / ROLES)

    def take_earlier(self, path: Path) -> Model:
        """Install the weights of a `.pt` file of the earlier system's network.

        Raises:
            ContractError: It holds anything else.
        """
        network = EarlierNetwork(checkpoint.read(path))
        beside = self._beside()
        network.write(beside / _NETWORK)
        digest = loading.digest(beside / _NETWORK)
        about = {"kind": EARLIER, "origin": "imported", "digest": digest, "file": path.name}
        return self._placed(beside, f"{EARLIER}-{digest[:7]}", about)[0]

    def take_weights(self, folder: Path) -> Sequence[Model]:
        """Install a folder that `pulsera train pulsenet` wrote: its models, and its evaluation if it lies there.

        Raises:
            ContractError: A file is missing, or is not what the manifest says.
            SetupError: They are installed already.
        """
        digest = loading.deciding(folder)
        if any(one.digest == digest for one in self.all()):
            raise SetupError(f"The weights of {folder} are installed already.", next_step="See: pulsera models list.")
        for model in _weights(folder, "trained"):
            model.maker()
        beside = self._beside()
        for name in (*loading.manifest(folder)["files"], loading.MANIFEST):
            shutil.copyfile(folder / name, beside / name)
        for extra in (file_of(kind) for kind in loading.NAMES):
            if (folder / extra).is_file():
                shutil.copyfile(folder / extra, beside / extra)
        return self._placed(beside, f"pulsenet-{digest[:7]}", {"kind": "pulsenet", "origin": "trained"})

    def _beside(self) -> Path:
        """Return an empty folder that nobody takes for a model yet."""
        beside = self.folder / ".new"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        return beside

    def _placed(self, beside: Path, name: str, about: Mapping[str, str]) -> Sequence[Model]:
        (beside / _ABOUT).write_text(json.dumps(about) + "\n")
        shutil.rmtree(self.folder / name, ignore_errors=True)
        beside.replace(self.folder / name)
        return list(_installed(self.folder / name))


def _installed(folder: Path) -> Iterator[Model]:
    """Yield the models of one folder; one that is not of ours holds none."""
    try:
        about: dict[str, str] = json.loads((folder / _ABOUT).read_text())
        kind, digest = about["kind"], about.get("digest", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if folder.name.startswith("."):
        return
    if kind == "pulsenet":
        yield from _weights(folder, "trained")
    elif kind == EARLIER:
        name = f"{EARLIER} 1+{digest[:7]}"
        yield Model(
            id=f"{EARLIER}-{digest[:7]}", name=name, kind=EARLIER, origin="imported", digest=digest, folder=folder
        )


def _weights(folder: Path, origin: Origin) -> Iterator[Model]:
    """Yield the models of a folder of weights, none where its manifest cannot be read."""
    try:
        digest = loading.deciding(folder)
    except ContractError:
        return
    for kind in sorted(loading.NAMES, key=lambda one: one != loading.SHIPPED):
        name = loading.name_of(kind, folder=folder)
        yield Model(id=f"{kind}-{digest[:7]}", name=name, kind=kind, origin=origin, digest=digest, folder=folder)


def _resting() -> Model:
    digest = hashlib.sha256(RestingRate.name.encode()).hexdigest()
    return Model(id=RESTING, name=RestingRate.name, kind=RESTING, origin="built in", digest=digest)


def _is_evaluated(folder: Path) -> bool:
    """Return whether the manifest names an evaluation, and it is the one that lies there."""
    try:
        told = loading.manifest(folder)["files"][EVALUATION]
        return bool(loading.digest(folder / EVALUATION) == told)
    except (ContractError, KeyError, TypeError):
        return False

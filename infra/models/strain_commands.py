"""`pulsera train heart-risk`: the strain model, under the name that the earlier heart-rate service gave its own."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import RecordingError, SetupError


def take_heart_risk(
    source: Annotated[Path, typer.Argument(help="An ONNX model: (n, 4) floats in, probabilities out.")],
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of `pulsera up`. Default: PULSERA_DATA_DIR; PULSERA_MODELS_DIR goes first."),
    ] = None,
) -> None:
    """Let a model of your own tell strain in analyses of videos, shown as not validated by Pulsera.

    It gets mean_hr and std_hr in bpm, rmssd in ms and pnn50 in percent. Pickles are never read. To be rid of it, delete
    the file that this command names.

    Example: pulsera models import heart-risk forest.onnx
    """
    from infra.models.own_strain import keep
    from infra.settings import load_settings

    settings = load_settings()
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": data_dir})
    kept = keep(source, settings.models_folder)
    typer.echo(f"kept as {kept}; the next analysis of a video uses it, as your own model, not validated by Pulsera")


def heart_risk(
    *,
    stress_predict: Annotated[
        Path, typer.Option(help="Folder of the Stress-Predict recordings: S01, S02, ... and labels_1hz.csv.")
    ],
    seed: Annotated[int, typer.Option(help="Decides which people are drawn for the interval.", min=0)] = 1,
    out: Annotated[
        Path, typer.Option(help="Where to write; the weights that are in use lie in inference/strain/weights.")
    ] = Path("strain-weights"),
) -> None:
    """Train the strain model: an acute stress task against rest, from heart rate and variability, people apart.

    Prints the model card with the area under the curve and its 95 % interval. Weights are written only where the
    interval's lower bound is over 0.6.

    Example: pulsera train heart-risk --stress-predict stress_predict --out strain-weights
    """
    try:
        import onnx  # noqa: F401 - asked for here, so that the sentence below comes first
        import sklearn  # noqa: F401
    except ImportError as error:
        raise SetupError(
            f"{error.name} is not installed; training needs it.", next_step="pip install 'pulsera[train,evaluate]'"
        ) from error
    from inference.strain.training.pipeline import train
    from infra.models.progress import Stages

    with Stages() as stages:
        try:
            made = train(stress_predict, out, seed=seed, stage=stages.begin)
        except ValueError as error:
            raise RecordingError(f"{stress_predict}: {error}") from error
    typer.echo(made.card, nl=False)
    typer.echo(f"wrote {out}: " + ("weights, manifest and card" if made.ships else "the card alone"), err=True)

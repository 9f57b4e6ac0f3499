"""`pulsera train ...`: how the shipped weights are made."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.models.strain_commands import heart_risk

if TYPE_CHECKING:
    from infra.models.progress import Stages

train = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make a model's weights.")


@train.callback()
def _group() -> None:
    """Holds a command a model."""


@train.command("pulsenet")
def pulsenet(  # noqa: PLR0913 - each is an option of the command line
    *,
    people: Annotated[int, typer.Option(help="Made people to learn from.", min=2)] = 240,
    days: Annotated[float, typer.Option(help="Days of each.", min=0.1)] = 3.0,
    seed: Annotated[int, typer.Option(help="Decides everything that is drawn.", min=0)] = 5,
    updates: Annotated[int, typer.Option(help="Most updates of the network.", min=1)] = 600,
    stress_predict: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the Stress-Predict recordings: S01 to S17 to learn from, S18 to S20 to know when to stop."
        ),
    ] = None,
    welltory: Annotated[
        Path | None, typer.Option(help="Folder of the Welltory recordings, to check the priors against.")
    ] = None,
    thresholds_only: Annotated[
        bool, typer.Option("--thresholds-only", help="Keep the weights that are there; set their thresholds anew.")
    ] = False,
    evaluation_only: Annotated[
        bool,
        typer.Option("--evaluation-only", help="Keep weights and thresholds; evaluate them anew on made people."),
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Where to write; the weights that are in use lie in inference/pulsenet/weights.")
    ] = Path("pulsenet-weights"),
) -> None:
    """Train PulseNet on this computer: weights of both models, thresholds, model card and manifest.

    Example: pulsera train pulsenet --people 240 --days 3 --seed 5 --stress-predict DIR --welltory DIR --out weights
    """
    from inference.pulsenet.training.pipeline import plan_of, reassess, recalibrate
    from inference.pulsenet.training.pipeline import train as run
    from inference.pulsenet.training.plan import Plan
    from infra.models.progress import Stages

    plan = Plan(
        people=people, days=days, updates=updates, seed=seed, stress_predict=stress_predict, welltory=welltory
    )  # fmt: skip
    typer.echo(f"seed {seed}; writing to {out}", err=True)
    with Stages() as stages:
        if evaluation_only:
            reassess(plan_of(out), out, stage=stages.begin)
        else:
            work = recalibrate if thresholds_only else run
            work(plan, out, today=datetime.now(UTC).date(), stage=stages.begin)
        _note_references(out, stages)
    typer.echo((out / "card.md").read_text())


def _note_references(folder: Path, stages: "Stages") -> None:
    """Write, beside new weights, what they meet among made people: their drift is measured against that."""
    from inference.pulsenet.drift import file_of
    from inference.pulsenet.reference import crowd, reference_of
    from inference.pulsenet.weights.loading import NAMES, load

    people = crowd()
    for kind in NAMES:
        stage = stages.begin(f"what {NAMES[kind]} meets")
        reference_of(load(kind, folder=folder), people, told=stage).write(folder / file_of(kind))


train.command("heart-risk")(heart_risk)


@train.command("rppg")
def rppg(
    *,
    crops: Annotated[
        Path | None, typer.Option(help="Folder of skin crops without a readable pulse (Dasari et al. 2021), *.avi.")
    ] = None,
    scenes: Annotated[int, typer.Option(help="Rendered scenes to learn from.", min=20)] = 360,
    seed: Annotated[int, typer.Option(help="Decides everything that is drawn.", min=0)] = 3,
    out: Annotated[
        Path, typer.Option(help="The file to write; the one in use is inference/rppg/weights/confidence.json.")
    ] = Path("rppg-confidence.json"),
    plot: Annotated[Path | None, typer.Option(help="Where to draw how reliable the confidence is.")] = None,
) -> None:
    """Fit the confidence of a pulse from video: on rendered traces and on crops of real skin without a readable pulse.

    With the crops, the standard scenes and the standard seed it writes the bytes that are in use. Without --crops it
    learns from rendered traces alone.

    Example: pulsera train rppg --crops DIR --out confidence.json --plot reliability.png
    """
    from inference.rppg.fitting.confidence_fit import fitted
    from inference.rppg.fitting.report import draw, table
    from infra.models.progress import Stages

    with Stages() as stages:
        made = fitted(crops, scenes=scenes, seed=seed, stage=stages.begin)
    out.write_text(made.text, encoding="utf-8")
    typer.echo(table(made))
    if plot is not None:
        draw(made, plot)
    typer.echo(f"wrote {out}", err=True)

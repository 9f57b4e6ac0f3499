"""`pulsera models ...`: which models are installed, who alerts, who runs in shadow."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infra.models.strain_commands import take_heart_risk
from schemas.errors import SetupError

if TYPE_CHECKING:
    from infra.models.installed import Models

models = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, import and choose the models that judge wearers."
)
take = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Install somebody's weights.")
models.add_typer(take, name="import")

_NOBODY: Final = "none"
_SOON: Final = "Running workers change with the next save of each partition (about 30 s), without a restart."

DataDir = Annotated[
    Path | None, typer.Option(help="Folder of `pulsera up`. Default: PULSERA_DATA_DIR; PULSERA_MODELS_DIR goes first.")
]


@take.callback()
def _group() -> None:
    """Holds a command a model."""


@models.command("list")
def show(data_dir: DataDir = None) -> None:
    """List the models with their origin and role; a name is what scores and evidence show.

    Example: pulsera models list
    """
    from infra.models.installed import EARLIER, RESTING

    book = _book(data_dir)
    alerting, shadow = _roles(book)
    rows = [("id", "name in scores", "origin", "digest", "role")]
    for one in book.all():
        role = "alerting" if one.name == alerting else "shadow" if one.name == shadow else ""
        if not role:
            role = {RESTING: "fallback", EARLIER: "shadow only"}.get(one.kind, "")
        rows.append((one.id, one.name, one.origin, one.digest[:12], role))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo(f"kept in {book.folder}")


@models.command()
def shadow(
    name: Annotated[str, typer.Argument(help="Id or name of an installed model, or none.")], data_dir: DataDir = None
) -> None:
    """Let a model judge beside the one that alerts: compared with it, heard by nobody.

    Running workers change with the next save of each partition (about 30 s), without a restart. A second model costs
    each worker of `vitals` as much CPU as the one that alerts.

    Example: pulsera models shadow ridge
    """
    book = _book(data_dir)
    alerting, _ = _roles(book)
    chosen = "" if name == _NOBODY else book.find(name).name
    if chosen and chosen == alerting:
        raise SetupError(f"{chosen} alerts already.", next_step="Choose another: pulsera models list.")
    book.want(alerting=book.wanted()[0], shadow=chosen)
    typer.echo(f"{chosen or 'Nobody'} runs in shadow. {_SOON}")


@models.command()
def promote(
    name: Annotated[str, typer.Argument(help="Id or name of the model that runs in shadow.")], data_dir: DataDir = None
) -> None:
    """Let the model that runs in shadow alert; who alerted goes on in shadow, so the way back is the same command.

    It needs a calibration and an evaluation. Running workers change with the next save of each partition (about 30 s),
    without a restart, and go on with what the model learned of each wearer in shadow. A network of the earlier system
    is never promoted.

    Example: pulsera models promote ridge
    """
    book = _book(data_dir)
    alerting, in_shadow = _roles(book)
    model = book.find(name)
    if model.lacks:
        raise SetupError(f"{model.id} may not alert: {model.lacks}.", next_step="See the rest: pulsera models list.")
    if model.name == alerting:
        raise SetupError(f"{model.name} alerts already.")
    if model.name != in_shadow:
        raise SetupError(
            f"{model.id} does not run in shadow, where it learns what is usual for each wearer.",
            next_step=f"First: pulsera models shadow {model.id}; some days later look at `pulsera_shadow_...`.",
        )
    model.maker()
    # Who chooses what ships wants what ships with the next release too.
    book.want(alerting="" if model == book.shipped else model.name, shadow=alerting)
    typer.echo(f"{model.name} is to alert, {alerting} goes on in shadow. {_SOON}")


@models.command()
def reference(
    name: Annotated[str, typer.Argument(help="Id or name of an installed model of PulseNet.")], data_dir: DataDir = None
) -> None:
    """Note what a model meets among made people, beside its weights: drift is measured against that.

    Example: pulsera models reference ridge
    """
    from inference.pulsenet.reference import crowd, reference_of
    from infra.models.progress import Stages

    model = _book(data_dir).find(name)
    engine = model.engine()
    if engine is None:
        raise SetupError(f"{model.id} is no model of PulseNet: what it was made on is not known.")
    with Stages() as stages:
        stages.begin("making people")
        people = crowd()
        made = reference_of(engine, people, told=stages.begin("stepping through their days"))
    model.keep(made)
    typer.echo(f"{model.name}: {int(made.scores.sum())} judged minutes of {made.source}")


@take.command("pulsenet")
def take_pulsenet(
    source: Annotated[
        Path, typer.Argument(help="A .pt file of the earlier system's network, or a folder of `pulsera train`.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Install weights: a folder that `pulsera train pulsenet` wrote, or the .pt file of the earlier system's network.

    Of a .pt file the numbers are read and nothing that it asks for is run; its network runs in shadow alone.

    Example: pulsera models import pulsenet pulsenet_v1.pt
    """
    book = _book(data_dir)
    made = book.take_weights(source) if source.is_dir() else [book.take_earlier(source)]
    if not made:
        raise SetupError(f"{source} holds no weights.", next_step="Name a folder of pulsera train, or a .pt file.")
    for one in made:
        typer.echo(f"installed {one.id} ({one.name})")
    typer.echo(f"Let it judge beside the one that alerts: pulsera models shadow {made[0].id}")


take.command("heart-risk")(take_heart_risk)


def _book(data_dir: Path | None) -> "Models":
    from infra.models.installed import Models
    from infra.settings import load_settings

    settings = load_settings()
    return Models.of(settings if data_dir is None else settings.model_copy(update={"data_dir": data_dir}))


def _roles(book: "Models") -> tuple[str, str]:
    """Return the names of who is to alert and who is to run in shadow."""
    alerting, in_shadow = book.wanted()
    shipped = book.shipped
    return alerting or ("" if shipped is None else shipped.name), in_shadow

"""The one command, `pulsera`: each subcommand loads what it needs when it runs, so that --help is quick."""

import asyncio
import json
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from infra.bench.commands import bench
from infra.chaos.commands import chaos, soak
from infra.dead_letter_commands import dead_letters
from infra.fuzz.commands import fuzz
from infra.models.commands import train
from infra.models.evaluate_commands import evaluate
from infra.models.import_commands import models
from infra.rppg.commands import bench_rppg, evaluate_rppg, rppg
from infra.simulate_command import simulate
from infra.zones.evaluate_commands import zones as evaluate_zones
from schemas.errors import PulseraError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A self-hosted backbone for home and community health telemetry. Not a medical device.",
)

bench.command("rppg")(bench_rppg)
app.add_typer(bench, name="bench")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(train, name="train")
evaluate.command("zones")(evaluate_zones)
evaluate.command("rppg")(evaluate_rppg)
app.add_typer(evaluate, name="evaluate")
app.add_typer(models, name="models")
app.command("rppg")(rppg)
app.command("fuzz")(fuzz)
app.command("chaos")(chaos)
app.command("soak")(soak)
app.command("simulate")(simulate)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"pulsera {metadata.version('pulsera')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the release and end.", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """Takes the options that every command shares; `main` has read --debug before, wherever it stands."""


@app.command()
def up(
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where everything is kept. Default: PULSERA_DATA_DIR, else your data folder for pulsera."),
    ] = None,
    api_port: Annotated[
        int | None, typer.Option(help="Port of the API and the pages. Default: 8000.", min=0, max=65535)
    ] = None,
    gateway_port: Annotated[
        int | None, typer.Option(help="Port that devices connect to. Default: 8001.", min=0, max=65535)
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Replay a real recording with one injected episode.")] = False,
    durable: Annotated[
        bool, typer.Option("--durable", help="Force every append to the disk: survives a power cut.")
    ] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file: speak TLS with this certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
    json_line: Annotated[bool, typer.Option("--json", help="Print one line of JSON when ready.")] = False,
) -> None:
    """Start the whole system on this computer and keep it running until Ctrl-C.

    Example: pulsera up --data-dir ./data --api-port 8080
    """
    from infra.embedded.up import run_up
    from infra.settings import load_settings

    given = {
        "data_dir": data_dir,
        "api_port": api_port,
        "gateway_port": gateway_port,
        "durable": durable or None,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    settings = load_settings().model_copy(update=changes)
    asyncio.run(run_up(settings, demo=demo, json_line=json_line))


@app.command()
def gateway() -> None:
    """Run the gateway that devices connect to.

    Example: PULSERA_KAFKA_BOOTSTRAP=kafka:9092 PULSERA_DATABASE_URL=postgresql://... pulsera gateway
    """
    from infra.embedded.gate import wait_for_start
    from infra.settings import load_settings, require_services

    settings = load_settings()
    require_services(settings)
    wait_for_start(("infra.kafka.appender", "infra.timescale.devices", "infra.metrics.meter", "ingest.gateway"))
    import uvloop

    from infra.wiring import run_gateway

    uvloop.run(run_gateway(settings))


@app.command()
def worker(family: Annotated[str, typer.Argument(help="storage, vitals, care, video or zones.")]) -> None:
    """Run one family of stream processors.

    Example: pulsera worker vitals
    """
    from infra.embedded.gate import wait_for_start
    from infra.settings import load_settings, require_services

    settings = load_settings()
    require_services(settings)
    wait_for_start((f"stream_processors.hosts.{settings.host}_host", "infra.worker_process"))
    from infra.wiring import run_worker

    asyncio.run(run_worker(settings, family))


@app.command()
def api() -> None:
    """Run the HTTP API, the live socket and the pages.

    Example: PULSERA_API_PORT=8080 pulsera api
    """
    from infra.embedded.gate import wait_for_start
    from infra.settings import load_settings, require_services

    settings = load_settings()
    require_services(settings)
    wait_for_start(("uvicorn", "infra.api_process"))
    import uvloop

    from infra.wiring import run_api

    uvloop.run(run_api(settings))


@app.command()
def migrate(
    new_log: Annotated[
        bool, typer.Option("--new-log", help="Kafka's data are lost for good: go on with the one that answers.")
    ] = False,
) -> None:
    """Bring the database's tables and Kafka's topics to this release.

    Example: pulsera migrate
    """
    from infra.settings import load_settings, require_services

    settings = load_settings()
    require_services(settings)
    from infra.timescale.migrate import migrate as run_migrate

    asyncio.run(run_migrate(settings, new_log=new_log))


@app.command()
def admin() -> None:
    """Make sure that there is an administrator; print a new token and, for the browser, a one-time sign-in code.

    Example: pulsera admin
    """
    from infra.settings import load_settings, require_services

    settings = load_settings()
    require_services(settings)
    from infra.wiring import bootstrap_admin

    token, code = asyncio.run(bootstrap_admin(settings, None))
    typer.echo(f"token {token}\nsign in once at /app#code={code}")


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A new folder, or a new file that ends with .tar.")],
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of `pulsera up`. Default: PULSERA_DATABASE_URL, else PULSERA_DATA_DIR.")
    ] = None,
) -> None:
    """Copy one moment of the database, which may go on working; Kafka's topics keep what comes after it.

    Example: pulsera backup /backups/pulsera-2026-11-21.tar
    """
    from infra.backup_commands import run_backup

    run_backup(target, data_dir=data_dir)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="What `pulsera backup` wrote.")],
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of `pulsera up`, which must not run. Default: as for backup.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of a database that is there.")
    ] = False,
    new_log: Annotated[
        bool, typer.Option("--new-log", help="Kafka's data are lost too: go on with a new Kafka.")
    ] = False,
) -> None:
    """Put a backup back; stop every part of Pulsera first. What came since is read again from Kafka.

    Example: pulsera restore /backups/pulsera-2026-11-21.tar --data-dir ./data
    """
    from infra.backup_commands import run_restore

    run_restore(source, data_dir=data_dir, replace=replace, new_log=new_log)


@app.command()
def doctor(
    json_line: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what this computer lacks to run Pulsera, and how to mend it.

    Example: pulsera doctor
    """
    from infra.embedded.doctor import examine
    from infra.settings import load_settings

    findings = examine(load_settings())
    if json_line:
        typer.echo(json.dumps([{"name": one.name, "ok": one.ok, "detail": one.detail} for one in findings]))
    else:
        for one in findings:
            typer.echo(f"{'ok     ' if one.ok else 'MISSING'}  {one.name}: {one.detail}")
    if not all(one.ok for one in findings):
        raise typer.Exit(code=1)


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    dataset: Annotated[
        str,
        typer.Argument(
            help="demo; a video (.avi, .mp4, ..); a folder of an Empatica E4 recording; a CSV of Fitbit minutes "
            "(user,time,hr,steps); or a plain CSV: time and vital signs by name, of one or several. CSV may be gzipped."
        ),
    ],
    speed: Annotated[
        float | None,
        typer.Option(help="Seconds of backlog sent a second. Default: 60; demo: 120; a CSV: 3600.", min=0),
    ] = None,
    present: Annotated[
        int | None,
        typer.Option(
            help="Second of the recording that is now. Default: its start; demo: 1890; a CSV: its end.", min=0
        ),
    ] = None,
    wearer: Annotated[str | None, typer.Option(help="Name of the wearer; used again if there is one.")] = None,
    person: Annotated[str | None, typer.Option(help="Whom of a CSV that holds several. Default: all.")] = None,
    recorded_as: Annotated[
        str | None, typer.Option("--format", help="e4, fitbit or csv. Default: guessed from the first line.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Device socket. Default: the running `pulsera up`.")] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="PULSERA_DEVICE_TOKEN",
            help="A device's token; others see it in `ps` unless the variable gives it. Default: makes a device.",
        ),
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Of a video: send mean colours measured here, no pictures.")
    ] = False,
) -> None:
    """Send a recording, or a video, through the device socket, its times shifted so that its present is now.

    One that was stopped goes on where it was. A plain CSV begins with a line such as time,heart_rate,spo2 (and wearer,
    for several); times are RFC 3339 with an offset, or Unix milliseconds. The hours of a CSV's day stay what they were.

    Example: pulsera replay readings.csv --wearer Ada --speed 600
    """
    from infra.video_replay import is_video, run_video_replay

    if is_video(dataset):
        run_video_replay(Path(dataset), trace=trace, wearer=wearer, url=url, token=token)
        return
    from infra.replay_command import Asked, Target, run_replay

    asked = Asked(dataset=dataset, form=recorded_as, person=person, speed=speed, present_s=present)
    run_replay(asked, Target(wearer=wearer, url=url, token=token))


def main() -> None:
    """Runs the command line: errors of ours are one sentence with the next step and exit code 1."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments)
    except PulseraError as error:
        if debug:
            traceback.print_exc()
        typer.echo(f"pulsera: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

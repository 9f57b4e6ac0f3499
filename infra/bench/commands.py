"""`pulsera bench ...`: figures that anyone can print again."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.bench.machine import line as machine_line

if TYPE_CHECKING:
    from infra.bench.zones import ZoneLoad  # numpy and pyarrow would slow every command down

bench = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@bench.callback()
def quietly() -> None:
    """Measure, and print what was measured."""
    from infra.logs import configure_logging

    # What runs in the bench's own process, such as its cameras, would tell of every connection between the figures.
    configure_logging("bench", level="warning")


@bench.command("path")
def path(
    rate: Annotated[int, typer.Option(help="Messages a second over all devices.", min=1)] = 10_000,
    connections: Annotated[int, typer.Option(help="Devices, one wearer each.", min=1)] = 1_000,
    seconds: Annotated[int, typer.Option(help="How long to send.", min=1)] = 30,
    batch: Annotated[int, typer.Option(help="Readings in a message.", min=1, max=500)] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Send load through a temporary system of its own, then audit every acknowledged reading.

    Exits 1 when a reading was lost, doubled or changed.

    Example: pulsera bench path --rate 10000 --connections 1000 --seconds 30 --json figures.json
    """
    from infra.bench.path import Plan, bench_path
    from infra.bench.report import show, write

    outcome = asyncio.run(bench_path(Plan(rate=rate, connections=connections, seconds=seconds, batch=batch)))
    show(outcome)
    if json_file is not None:
        write(outcome, json_file)
    if outcome.findings.lost or outcome.findings.doubled or outcome.findings.wrong:
        raise typer.Exit(code=1)


@bench.command("start")
def start(
    runs: Annotated[int, typer.Option(help="How many warm starts.", min=1)] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Time `pulsera up` until it is ready, on a folder that it has run on before, part by part.

    Example: pulsera bench start --runs 5
    """
    import msgspec

    from infra.bench.start import measure_starts, show

    starts = measure_starts(runs)
    show(starts)
    _write(msgspec.to_builtins(starts), json_file)


@bench.command("reads")
def reads(
    rows: Annotated[
        int, typer.Option(help="Readings to store: 250,000 a wearer, one every 10 s for 29 days.", min=100_000)
    ] = 10_000_000,
    rate: Annotated[int, typer.Option(help="Messages a second sent while asking.", min=1, max=20_000)] = 2_000,
    seconds: Annotated[int, typer.Option(help="How long to ask.", min=1)] = 30,
    server: Annotated[
        str,
        typer.Option(
            envvar="PULSERA_BENCH_DATABASE",
            help="postgresql:// URL of a server to measure on, such as one with TimescaleDB. Default: embedded.",
        ),
    ] = "",
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep everything here; the next run then finds it stored. Default: nowhere.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Ask the questions alone whose names begin so; may be given twice.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Fill a temporary system's database, send load through the path, and time what the API answers meanwhile.

    Example: pulsera bench reads --rows 10000000 --json figures.json

    Example: pulsera bench reads --rows 1000000 --only "status of a zone"
    """
    from infra.bench.reads import Plan, bench_reads
    from infra.bench.reads_report import show, write

    plan = Plan(rows=rows, rate=rate, seconds=seconds, server=server, data_dir=data_dir, only=only or ())
    outcome = asyncio.run(bench_reads(plan))
    show(outcome)
    if json_file is not None:
        write(outcome, json_file)


@bench.command("live")
def live(
    clients: Annotated[int, typer.Option(help="Live sockets; ten belong to one user.", min=1)] = 100,
    wearers: Annotated[int, typer.Option(help="Wearers that each socket follows.", min=1, max=256)] = 100,
    rate: Annotated[int, typer.Option(help="Messages a second over all wearers.", min=1)] = 2_000,
    seconds: Annotated[int, typer.Option(help="How long to count.", min=1)] = 30,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Follow wearers on many live sockets of a temporary system, and say what a delivered update costs and takes.

    Exits 1 when a socket was refused or ended.

    Example: pulsera bench live --clients 100 --wearers 100 --rate 2000
    """
    from infra.bench.live import LivePlan, bench_live, show

    outcome = asyncio.run(bench_live(LivePlan(clients=clients, wearers=wearers, rate=rate, seconds=seconds)))
    show(outcome)
    _write(outcome.as_json(), json_file)
    if outcome.seen["problems"]:
        raise typer.Exit(code=1)


@bench.command("video")
def video(
    clip: Annotated[Path, typer.Argument(help="A video with a face, sent over and over.")],
    streams: Annotated[int, typer.Option(help="Cameras, one wearer each.", min=1, max=200)] = 10,
    seconds: Annotated[int, typer.Option(help="How long to measure.", min=1)] = 30,
    width: Annotated[int, typer.Option(help="Longest side of the pictures that are sent.", min=64, max=4096)] = 320,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Send a video from many cameras at once through a temporary system of its own, and say how far behind it gets.

    Example: pulsera bench video face.avi --streams 10 --seconds 30
    """
    from infra.bench.video import VideoPlan, bench_video, show, write

    outcome = asyncio.run(bench_video(VideoPlan(clip=clip, streams=streams, seconds=seconds, width=width)))
    show(outcome)
    if json_file is not None:
        write(outcome, json_file)


@bench.command("operators")
def operators(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
    compare: Annotated[Path | None, typer.Option(help="Show the change against this earlier --json file.")] = None,
    readings: Annotated[list[int] | None, typer.Option(help="Readings in a frame; may be given twice.")] = None,
    wearers: Annotated[int, typer.Option(help="Wearers of the partition.", min=10)] = 1_000,
    seconds: Annotated[int, typer.Option(help="How long the made devices send.", min=1)] = 160,
    only: Annotated[list[str] | None, typer.Option(help="This workload alone; may be given twice.")] = None,
) -> None:
    """Time every operator, and decoding, admission, framing, merge and fan-out, without Kafka and sockets.

    Example: pulsera bench operators --json now.json --compare before.json
    """
    from infra.bench.operators import READINGS, measure, read, show, write

    earlier = read(compare) if compare is not None else None
    figures = measure(readings=readings or READINGS, wearers=wearers, seconds=seconds, only=only or ())
    show(figures, earlier)
    if json_file is not None:
        write(figures, json_file)


@bench.command("holds")
def holds(
    wearers: Annotated[int, typer.Option(help="Wearers of the partition.", min=10)] = 1_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Say how long a worker holds its event loop, by what its wearers do, without Kafka and database.

    Example: pulsera bench holds --wearers 1000
    """
    import msgspec

    from infra.bench.holds import bench_holds, show

    found = bench_holds(wearers=wearers)
    show(found)
    _write(msgspec.to_builtins(found), json_file)


@bench.command("state")
def state(
    wearers: Annotated[int, typer.Option(help="Wearers of the partition.", min=1)] = 500,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Say how many bytes a worker keeps of a wearer, and of what they are.

    Example: pulsera bench state --wearers 500
    """
    import msgspec

    from infra.bench.states import measure, show

    sizes = measure(wearers=wearers)
    show(sizes)
    _write(msgspec.to_builtins(sizes), json_file)


@bench.command("hosts")
def hosts(
    rate: Annotated[int, typer.Option(help="Readings a second over all partitions.", min=300)] = 20_000,
    seconds: Annotated[int, typer.Option(help="How long to measure each host.", min=1)] = 20,
    host: Annotated[list[str] | None, typer.Option(help="Measure this host alone; may be given twice.")] = None,
) -> None:
    """Measure what each host of the workers costs, and how fast a lost worker is replaced.

    Example: pulsera bench hosts --rate 20000 --seconds 20
    """
    from infra.bench.hosts import bench_hosts, show

    show(asyncio.run(bench_hosts(rate=rate, seconds=seconds, hosts=host or ["faust", "aiokafka"])))


@bench.command("idle")
def idle(
    connections: Annotated[int, typer.Option(help="Idle device connections.", min=1)] = 10_000,
    seconds: Annotated[int, typer.Option(help="How long they are idle; pings come every 20 s.", min=1)] = 25,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Say what an idle device connection costs a gateway in memory, without Kafka and database.

    Exits 1 when one costs more than 30 KiB, or was closed.

    Example: pulsera bench idle --connections 10000
    """
    import uvloop

    from infra.bench.idle import BOUND_KIB, bench_idle, show

    found = uvloop.run(bench_idle(connections, idle_s=seconds))
    show(found)
    _write(found.as_json(), json_file)
    if found.kib_each > BOUND_KIB or found.closed:
        raise typer.Exit(code=1)


@bench.command("network")
def network(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Time the anomaly model's network on one core beside a matrix product of the same work.

    Exits 1 when even the fastest call reaches less than 500,000 wearer-steps a second.

    Example: OMP_NUM_THREADS=1 pulsera bench network --json figures.json
    """
    from infra.bench.network import BOUND_PER_S, measure, show, write

    figures = measure()
    show(figures)
    if json_file is not None:
        write(figures, json_file)
    if figures["network"].best_per_s < BOUND_PER_S:
        raise typer.Exit(code=1)


@bench.command("zones")
def zones(
    wearers: Annotated[int, typer.Option(help="Wearers who are somewhere.", min=1)] = 50_000,
    rows: Annotated[int, typer.Option(help="Scored bins in a frame.", min=1, max=2_000)] = 800,
    rings: Annotated[int, typer.Option(help="Rings of cells around a first one.", min=1, max=60)] = 26,
    takeover: Annotated[
        int,
        typer.Option(
            help="Instead kill the active one of two workers so many times, and stop it as often, and say how long the "
            "other takes until it has told all that lay there when it took over.",
            min=0,
        ),
    ] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the takeovers to this file as well.")] = None,
) -> None:
    """Take and judge a bin of five minutes as the one worker of the zones does, and print the share of a core.

    With --takeover: exits 1 when one took longer than 15 s, or a bin lacks, or was told in two ways.

    Example: pulsera bench zones --wearers 50000

    Example: pulsera bench zones --wearers 5000 --takeover 10
    """
    from infra.bench.zones import ZoneLoad, measure_zones
    from infra.progress_line import ProgressLine

    if takeover:
        _takeover(takeover, ZoneLoad(wearers=wearers, rows=rows, rings=rings), json_file)
        return
    line = ProgressLine()
    found = measure_zones(
        ZoneLoad(wearers=wearers, rows=rows, rings=rings),
        progress=lambda done, of: line.show(f"5 s of scores: {done} of {of}"),
    )
    line.end("two bins of five minutes, of which the second was measured")
    typer.echo(json.dumps({name: round(value, 4) for name, value in found.items()}))


def _takeover(rounds: int, load: "ZoneLoad", json_file: Path | None) -> None:
    from infra.bench.takeover import BOUND_S, bench_takeover, lines

    found = asyncio.run(bench_takeover(rounds, load, say=lambda words: typer.echo(f"bench: {words}", err=True)))
    for line in lines(found):
        typer.echo(line)
    typer.echo(machine_line())
    _write(found.as_json(), json_file)
    if found.lacking or found.told_otherwise or any(one.level_s > BOUND_S for one in found.takeovers):
        raise typer.Exit(code=1)


def _write(told: object, json_file: Path | None) -> None:
    if json_file is not None:
        json_file.write_text(json.dumps(told, indent=1) + "\n")

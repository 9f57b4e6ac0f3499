"""`pulsera rppg FILE`, `pulsera evaluate rppg DIR` and `pulsera bench rppg FILE`."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import SetupError

_REGIONS = ("face", "full")
_METHODS = ("holistic", "patches")


def rppg(
    file: Annotated[Path, typer.Argument(help="A video file: MP4, MOV, AVI, WebM, MKV.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write pulse, spectrum and windows as a picture (PNG).")] = None,
    region: Annotated[str, typer.Option(help="face, or full: the whole picture is skin.")] = "face",
    method: Annotated[
        str, typer.Option(help="holistic: POS beside CHROM over the face; patches: POS on twelve parts, their median.")
    ] = "holistic",
) -> None:
    """Tell the pulse of a video file, second by second, with a confidence, or why there is none.

    Ends with 0 also when no heart rate can be told; with 1 only for a file that cannot be read.

    Example: pulsera rppg clip.mp4 --json --plot pulse.png
    """
    from inference.rppg.analysis import analyze
    from inference.rppg.patches import analyze_patches
    from inference.rppg.video.files import measure_file
    from infra.models.progress import Stages
    from infra.rppg import report

    if region not in _REGIONS:
        raise SetupError(f"There is no region {region}.", next_step="Give --region face or --region full.")
    if method not in _METHODS or (method == "patches" and region == "full"):
        raise SetupError(
            f"There is no method {method} for {region}.", next_step="Give --method holistic or patches, of a face."
        )
    if plot is not None:
        from infra.rppg.plot import check

        check(plot)
    patches = method == "patches"
    wall, cpu = time.perf_counter(), time.process_time()
    with Stages() as stages:
        told = stages.begin(f"measuring {file.name}")
        measured = measure_file(file, region="full" if region == "full" else "face", patches=patches, progress=told)
    analysis = (
        analyze_patches(measured.samples, cut_off=measured.cut_off)
        if patches
        else analyze(measured.samples, cut_off=measured.cut_off)
    )
    cost = report.Cost(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)
    answer = report.as_json(analysis, measured, cost)
    typer.echo(json.dumps(answer, allow_nan=False) if as_json else "\n".join(report.lines(answer)))
    if plot is not None:
        from infra.rppg.plot import draw

        draw(analysis, plot, file.name)


def evaluate_rppg(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Videos with a JSON of their name (hr, rmssd, amp); crops of skin beside PLACE_GT.csv; waves as JSON; "
            "PPGData.mat with ECGData.mat. Also in folders below."
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    page: Annotated[
        Path | None,
        typer.Option(help="Write the table between <!-- rppg:begin --> and <!-- rppg:end --> of this page."),
    ] = None,
    through: Annotated[
        bool,
        typer.Option(
            "--streamed",
            help="Instead: film each video once for a temporary system, in real time, and compare its readings with "
            "the file's. The page has <!-- rppg-streamed:begin --> and :end for it.",
        ),
    ] = False,
) -> None:
    """Measure the pulse from video on files whose truth is known: error, share of windows told, reasons.

    Example: pulsera evaluate rppg DIR --json

    Example: pulsera evaluate rppg DIR --streamed
    """
    from infra.models.progress import Stages
    from infra.rppg import page as pages
    from infra.rppg import streamed
    from infra.rppg.evaluation import cases, evaluate

    found = cases(folders)
    with Stages() as stages:
        if through:
            answer = asyncio.run(streamed.streamed(found, stages.begin("filming")))
            lines = shown = streamed.table(answer)
        else:
            answer = evaluate(found, stages.begin("evaluating"))
            lines, shown = pages.table(answer), _lines(answer)
    typer.echo(json.dumps(answer, allow_nan=False) if as_json else "\n".join(shown))
    if page is not None:
        mark = "rppg-streamed" if through else "rppg"
        pages.between(page, lines, begin=f"<!-- {mark}:begin -->", end=f"<!-- {mark}:end -->")


def bench_rppg(
    file: Annotated[Path, typer.Argument(help="A video of a face, best 640 x 480.")],
    *,
    streams: Annotated[int, typer.Option(help="Streams of 30 pictures a second, made of the file.", min=1)] = 10,
    seconds: Annotated[float, typer.Option(help="How long they send.", min=1)] = 20.0,
    processes: Annotated[int, typer.Option(help="Processes that decode.", min=1)] = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write them between the lines <!-- bench-rppg:begin --> and :end of this page.")
    ] = None,
) -> None:
    """Measure what a frame costs, stage by stage, and how many streams the processes that decode keep up with.

    Example: pulsera bench rppg clip.avi --streams 10 --seconds 20
    """
    from infra.rppg import bench
    from infra.rppg import page as pages

    told = bench.bench(bench.Plan(path=file, streams=streams, seconds=seconds, processes=processes))
    typer.echo("\n".join(bench.lines(told)))
    if json_file is not None:
        json_file.write_text(json.dumps(told, indent=1) + "\n")
    if page is not None:
        pages.between(page, bench.lines(told), begin="<!-- bench-rppg:begin -->", end="<!-- bench-rppg:end -->")


def _lines(answer: dict[str, Any]) -> list[str]:
    from infra.rppg.page import breaths

    numbers = f"{'truth':>6} {'told':>6} {'error':>6}"
    lines = [f"{'file':<34} {numbers} {'told of':>8} {'conf':>5} {'breaths / truth':>21}  reasons"]
    for row in answer["rows"]:
        if "absent" in row:
            lines.append(f"{row['name']:<34} {row['absent']}")
            continue
        numbers = " ".join(
            f"{'-' if value is None else format(value, '.1f'):>6}"
            for value in (row["truth_bpm"], row["heart_rate_bpm"], row["error_bpm"])
        )
        sure = "-" if row["confidence"] is None else f"{row['confidence']:.2f}"
        why = ", ".join(f"{count} {reason}" for reason, count in row["reasons"].items())
        lines.append(
            f"{row['name']:<34} {numbers} {row['reported']:>4}/{row['windows']:<4} {sure:>4} {breaths(row):>21}  {why}"
        )
    for kind, total in answer["totals"].items():
        error = "" if total["mean_error_bpm"] is None else f", mean error {total['mean_error_bpm']:.2f} bpm"
        lines.append(f"{kind}: {total['reported']} of {total['windows']} windows told, {total['files']} files{error}")
    return lines

"""`pulsera rppg FILE` and `pulsera evaluate rppg DIR`."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import SetupError

_REGIONS = ("face", "full")


def rppg(
    file: Annotated[Path, typer.Argument(help="A video file: MP4, MOV, AVI, WebM, MKV.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write pulse, spectrum and windows as a picture (PNG).")] = None,
    region: Annotated[str, typer.Option(help="face, or full: the whole picture is skin.")] = "face",
) -> None:
    """Tell the pulse of a video file, second by second, with a confidence, or why there is none.

    Ends with 0 also when no heart rate can be told; with 1 only for a file that cannot be read.

    Example: pulsera rppg clip.mp4 --json --plot pulse.png
    """
    from inference.rppg.analysis import analyze
    from inference.rppg.video.files import measure_file
    from infra.models.progress import Stages
    from infra.rppg import report

    if region not in _REGIONS:
        raise SetupError(f"There is no region {region}.", next_step="Give --region face or --region full.")
    wall, cpu = time.perf_counter(), time.process_time()
    with Stages() as stages:
        told = stages.begin(f"measuring {file.name}")
        measured = measure_file(file, region="full" if region == "full" else "face", progress=told)
    analysis = analyze(measured.samples)
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
) -> None:
    """Measure the pulse from video on files whose truth is known: error, share of windows told, reasons.

    Example: pulsera evaluate rppg DIR --json
    """
    from infra.models.progress import Stages
    from infra.rppg import page as pages
    from infra.rppg.evaluation import cases, evaluate

    found = cases(folders)
    with Stages() as stages:
        answer = evaluate(found, stages.begin("evaluating"))
    typer.echo(json.dumps(answer, allow_nan=False) if as_json else "\n".join(_lines(answer)))
    if page is not None:
        pages.write(page, answer)


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{'file':<34} {'truth':>6} {'told':>6} {'error':>6} {'told of':>8} {'conf':>5}  reasons"]
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
        lines.append(f"{row['name']:<34} {numbers} {row['reported']:>4}/{row['windows']:<4} {sure:>4}  {why}")
    for kind, total in answer["totals"].items():
        error = "" if total["mean_error_bpm"] is None else f", mean error {total['mean_error_bpm']:.2f} bpm"
        lines.append(f"{kind}: {total['reported']} of {total['windows']} windows told, {total['files']} files{error}")
    return lines

"""What `pulsera evaluate pulsenet` may be asked, an option each."""

from pathlib import Path
from typing import Annotated

import typer

Fitbit = Annotated[Path | None, typer.Option(help="CSV of minutes: user, time, hr, steps; may be gzipped.")]
StressPredict = Annotated[
    Path | None, typer.Option(help="Folder of Stress-Predict: S01 to S20 help to set thresholds.")
]
Report = Annotated[Path | None, typer.Option("--json", help="Report: written, or, without --fitbit, read.")]
Welltory = Annotated[Path | None, typer.Option(help="Folder of Welltory: onsets of symptoms.")]
FalseAlarm = Annotated[
    Path | None, typer.Option(help="Header (.hea) of a monitor's false alarm with an ECG, as of PhysioNet 2015.")
]
Users = Annotated[str, typer.Option(help="Wearers of the file, separated by commas. Default: all.")]
Only = Annotated[str, typer.Option(help="Detectors, separated by semicolons. Default: all.")]
Seed = Annotated[int, typer.Option(help="Decides the places of events and the made people.", min=0)]
Processes = Annotated[int, typer.Option(help="Detectors evaluated at once.", min=1)]
Quick = Annotated[bool, typer.Option("--quick", help="A few events and people, to see that it runs.")]
Weights = Annotated[Path | None, typer.Option(help="Folder of weights. Default: those that ship.")]
Shadow = Annotated[
    str, typer.Option(help="Also a network of the earlier system: its .pt file, or the id of an installed one.")
]
AddTo = Annotated[
    list[Path] | None,
    typer.Option(help="A report of the same study made before: its other rows are kept, those of other weights not."),
]
Runs = Annotated[
    Path | None,
    typer.Option(help="A log of your own, to which this run is added beside runs.jsonl of the shipped weights."),
]
Plots = Annotated[Path | None, typer.Option(help="Folder for pictures; --page shows them.")]
Page = Annotated[Path | None, typer.Option(help="Write the report, and the log of runs as it is now, as a page.")]

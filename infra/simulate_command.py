"""`pulsera simulate`: made data through the device socket, of separate people or of a city."""

from typing import Annotated, Final

import typer

Devices = Annotated[
    int | None, typer.Option(help="How many devices, one made wearer each. Default: 10; a city: 300.", min=1)
]
Rate = Annotated[float | None, typer.Option(help="Readings a second of each device. Default: 1; a city: 0.1.")]
Seconds = Annotated[float | None, typer.Option(help="How long. Default: until Ctrl-C.", min=0)]
Seed = Annotated[int | None, typer.Option(help="Makes the same people again. Default: a new one, printed.")]
FaultsOption = Annotated[
    str,
    typer.Option(
        help="What goes wrong: drop, duplicate, reorder (share of readings), late-burst, device-off (of the time), "
        "clock-skew (of devices); separated by commas, each with a share of its own if wanted: drop=0.1.",
    ),
]
Inject = Annotated[
    str,
    typer.Option(
        help="What befalls the first wearer, and after how many minutes, marked as injected: tachycardia@20, "
        "desaturation_ramp@30, fever_drift@20 ... The model judges a new wearer from minute 16. A wrong name "
        "prints all of them.",
    ),
]
City = Annotated[
    bool, typer.Option("--city", help="People who move between home and work, with named zones around them.")
]
Rings = Annotated[int, typer.Option(help="Of a city: its radius in cells of 0.74 km2.", min=1, max=26)]
Hour = Annotated[
    float | None, typer.Option(help="Of a city: which hour of its day it is at the start. Default: UTC.", min=0, max=24)
]
Events = Annotated[
    list[str] | None,
    typer.Option(
        help="Of a city, after how many minutes: heat@20, smoke@20, crush@20; or what is none: firmware@20, "
        "backfill@20, activity@20. With radius (rings of cells), share (of those there), lasts (minutes), place (H3 "
        "cell, inside the city around 46.95 N 7.45 E) if wanted: heat@20,radius=3,share=0.6,place=881f8342cdfffff. "
        "Several may be given.",
    ),
]
PEOPLE: Final = 300
CITY_HZ: Final = 0.1


def simulate(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    devices: Devices = None,
    rate: Rate = None,
    seconds: Seconds = None,
    seed: Seed = None,
    faults: FaultsOption = "",
    inject: Inject = "",
    city: City = False,  # noqa: FBT002 - a switch of the command line
    rings: Rings = 6,
    hour: Hour = None,
    event: Events = None,
) -> None:
    """Send made data of many devices, marked as simulated wherever it shows.

    Example: pulsera simulate --devices 50 --rate 1 --seed 7 --faults drop,late-burst=0.2,clock-skew

    Example: pulsera simulate --city --devices 300 --seed 7 --hour 10 --event heat@40,radius=3 --event firmware@60
    """
    if (faults or inject) if city else (event or hour is not None):
        raise typer.BadParameter("--event and --hour belong to --city; --faults and --inject do not.")
    if city:
        from infra.city_command import run_city

        run_city(
            people=devices or PEOPLE,
            rings=rings,
            rate_hz=CITY_HZ if rate is None else rate,
            seconds=seconds,
            seed=seed,
            hour=hour,
            events=event or [],
        )
        return
    from infra.device_commands import run_simulate

    rate_hz = 1.0 if rate is None else rate
    run_simulate(devices=devices or 10, rate_hz=rate_hz, seconds=seconds, seed=seed, faults=faults, inject=inject)

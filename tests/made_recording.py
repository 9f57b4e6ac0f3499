"""A made E4 recording of 12 s whose values can be computed by hand."""

from pathlib import Path

START_S = 1_644_829_925


def write_e4(folder: Path) -> None:
    """Write 12 s: rest at 1 g, a second of shaking, rest; a heart rate after 10 s, then an implausible one; 4 beats."""
    resting, shaking = ["0,0,64"] * 32, ["0,0,32", "0,0,128"] * 16
    acceleration = [f"{START_S}.0, {START_S}.0, {START_S}.0", "32.0, 32.0, 32.0", *resting * 10, *shaking, *resting]
    (folder / "ACC.csv").write_text("\n".join(acceleration))
    temperature = [f"{second}.{quarter}" for second in range(20, 32) for quarter in range(4)]
    (folder / "TEMP.csv").write_text("\n".join([f"{START_S}.0", "4.0", *temperature]))
    (folder / "HR.csv").write_text("\n".join([f"{START_S + 10}.0", "1.0", "71.50", "300.00"]))
    (folder / "IBI.csv").write_text(f"{START_S}.0, IBI\n2.5,0.75\n2.96875,0.46875\n3.0,0.8\n3.25,5.0\n")

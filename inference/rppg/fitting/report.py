"""What the fitted confidence is worth: a table in words, and a picture."""

from pathlib import Path

from inference.rppg.fitting.confidence_fit import LEVELS, Fitted


def table(made: Fitted) -> str:
    """Return how reliable the confidence is on scenes of another seed, and what it says of the crops, as Markdown."""
    lines = ["| said | windows | said on average | right |", "| --- | --- | --- | --- |"]
    bins = zip(made.held_out.count.tolist(), made.held_out.said.tolist(), made.held_out.true.tolist(), strict=True)
    for place, (count, said, true) in enumerate(bins):
        shown = f"{said:.2f} | {true:.2f}" if count else "- | -"
        lines.append(f"| {place / 10:.1f} to {place / 10 + 0.1:.1f} | {count} | {shown} |")
    learnt = f"{made.windows[0]} rendered windows and {made.windows[1]} of crops"
    lines += [
        "",
        f"Expected calibration error {made.held_out.error:.3f}. Learnt from {learnt}.",
        "",
        "| confidence at least | held-out windows | of these right | windows of crops, person unseen |",
        "| --- | --- | --- | --- |",
    ]
    crops = [f"{share:.1%}" for share in made.crops_over] or ["none learnt from"] * len(LEVELS)
    for level, (share, right), over in zip(LEVELS, made.scenes_over, crops, strict=True):
        true = "-" if right is None else f"{right:.1%}"
        lines.append(f"| {level} | {share:.1%} | {true} | {over} |")
    return "\n".join(lines)


def draw(made: Fitted, path: Path) -> None:
    """Write a picture of what was said against what came true."""
    from matplotlib.figure import Figure

    held = made.held_out.count > 0
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.scatter(
        made.held_out.said[held], made.held_out.true[held], s=8 + made.held_out.count[held] / 4, color="tab:blue"
    )
    axes.set_xlabel("confidence said (mean of a tenth)")
    axes.set_ylabel("share of windows less than 5 beats a minute off")
    axes.set_title("Rendered scenes of another seed; area: windows", fontsize="medium")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    figure.savefig(path, dpi=110, metadata={"Software": None})

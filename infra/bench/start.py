"""How long `pulsera up` takes until it is ready, on a data folder that it has run on before."""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.embedded.ports import free_ports
from schemas.errors import SetupError

_STOP_WITHIN_S: Final = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start: seconds until the ready line, and until each part was ready, counted from the supervisor's start."""

    ready_s: float
    parts_s: dict[str, float]


def measure_starts(runs: int) -> list[Start]:
    """Start and stop the system `runs` times after one start that makes its folder; return the later ones.

    Raises:
        SetupError: It does not start.
    """
    with tempfile.TemporaryDirectory(prefix="pulsera-start-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
        starts = []
        for number in range(runs + 1):
            start = _one(Path(folder) / "data")
            if number:
                starts.append(start)
            print(f"start {number or '(first, makes the folder)'}: {start.ready_s:.2f} s", file=sys.stderr, flush=True)
        return starts


def _one(data_dir: Path) -> Start:
    api_port, gateway_port = free_ports(2)
    ports = ["--api-port", str(api_port), "--gateway-port", str(gateway_port)]
    begun_s = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "infra.cli", "up", "--json", "--data-dir", str(data_dir), *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        line = process.stdout.readline()
        ready_s = time.monotonic() - begun_s
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_WITHIN_S)
        process.stdout.close()
    if not line:
        raise SetupError("`pulsera up` ended before it was ready.", next_step="Run `pulsera up` and read what it says.")
    return Start(ready_s=ready_s, parts_s=json.loads(line)["ready_after_s"])


def show(starts: Sequence[Start]) -> None:
    """Print medians, and the slowest."""
    totals = [start.ready_s for start in starts]
    print(
        f"ready after {statistics.median(totals):.2f} s (median of {len(totals)}; "
        f"{min(totals):.2f} to {max(totals):.2f})"
    )
    for name in sorted(starts[0].parts_s, key=starts[0].parts_s.__getitem__):
        print(f"  {name:10} {statistics.median(start.parts_s[name] for start in starts):6.2f} s")

"""Lets a process load its code while Kafka starts, and holds it until tables and topics are ready.

What a process was not forked with (`infra.embedded.loader_process`), and everything where it was started by itself, is
loaded in the time that Kafka takes.
"""

import gc
import importlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

VARIABLE = "PULSERA_START_GATE"
_LOOK_EVERY_S = 0.02


def gate_file(data_dir: Path) -> Path:
    """The file whose existence says that tables and topics are ready."""
    return data_dir / "migrated"


def wait_for_start(modules: Iterable[str]) -> None:
    """Where `up` gave this process a gate: loads the modules, then waits until the gate is open."""
    gate = os.environ.get(VARIABLE)
    if gate is None:
        return
    # What is loaded stays: the collector would walk over it again and again for nothing.
    gc.disable()
    for module in modules:
        importlib.import_module(module)
    gc.enable()
    while not Path(gate).exists():
        time.sleep(_LOOK_EVERY_S)

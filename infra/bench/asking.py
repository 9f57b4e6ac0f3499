"""Who asks in `pulsera bench reads`, in a process of its own: one question after another, each answer timed.

Run as `python -m infra.bench.asking`: a plan (JSON) comes by standard input, the answers' times go to standard output.
The system tells of each thread how long it ran, and how long it stood ready and waited for a core
(`/proc/PID/schedstat`). Both are noted around each question, of the asker and of the API's loop: what an answer took
is so divided among work, waiting for a core, and the rest (the database, and messages on their way).
"""

import http.client
import math
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.errors import SetupError

_MS: Final = 1e6
SLOW_SHARE: Final = 0.01


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask whom: each question by the paths that it is asked with in turn.

    Attributes:
        api: Address.
        token: Who asks.
        pid: The API's process, whose first thread runs its loop.
        questions: Paths by name.
        seconds: For how long.
    """

    api: str
    token: str
    pid: int
    questions: dict[str, list[str]]
    seconds: int


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What answers took on average, ms: in all, running in the API's loop, waiting for a core there and at the asker.

    The loop also runs what others want of it meanwhile. `rest` is no part of these. None: the system does not tell.
    """

    took: float
    api_ran: float | None
    api_waited: float | None
    asker_waited: float | None

    @property
    def rest(self) -> float | None:
        """What is left: the asker's own work, the database's, and messages on their way."""
        if self.api_ran is None or self.api_waited is None or self.asker_waited is None:
            return None
        return max(0.0, self.took - self.api_ran - self.api_waited - self.asker_waited)


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to one question: what each took in ms, and where the usual and the slowest hundredth spent it."""

    took_ms: list[float]
    usual: Spent
    slowest: Spent


def ask(plan: Plan) -> dict[str, Answers]:
    """Ask on one connection, always what has taken the least time so far.

    Raises:
        SetupError: The API refuses a question.
    """
    connection = http.client.HTTPConnection(urlsplit(plan.api).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {plan.token}"}
    noted: dict[str, list[tuple[float, ...]]] = {name: [] for name in plan.questions}
    spent = dict.fromkeys(plan.questions, 0.0)
    api, own = Path(f"/proc/{plan.pid}/schedstat"), Path("/proc/self/schedstat")
    until = time.perf_counter() + plan.seconds
    while time.perf_counter() < until:
        name = min(spent, key=spent.__getitem__)
        paths = plan.questions[name]
        before = (*_ran_and_waited(api), *_ran_and_waited(own))
        began = time.perf_counter()
        connection.request("GET", paths[len(noted[name]) % len(paths)], headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        after = (*_ran_and_waited(api), *_ran_and_waited(own))
        if answer.status != http.client.OK:
            raise SetupError(f"The API answers {answer.status} to {name}: {body[:200].decode(errors='replace')}")
        ran, waited, _, own_waited = (now - then for now, then in zip(after, before, strict=True))
        noted[name].append((took * 1000, ran, waited, own_waited))
        spent[name] += took
    connection.close()
    return {name: _answers(np.array(rows)) for name, rows in noted.items() if rows}


def _ran_and_waited(of: Path) -> tuple[float, float]:
    """Return for how many ms the first thread of a process ran, and waited for a core, so far; NaN: nobody tells."""
    try:
        ran, waited, _ = of.read_text().split()
    except OSError:
        return math.nan, math.nan
    return int(ran) / _MS, int(waited) / _MS


def _answers(rows: npt.NDArray[np.float64]) -> Answers:
    slow = rows[:, 0] >= np.quantile(rows[:, 0], 1 - SLOW_SHARE)
    usual = rows[:, 0] <= np.median(rows[:, 0])
    return Answers(took_ms=rows[:, 0].tolist(), usual=_spent(rows[usual]), slowest=_spent(rows[slow]))


def _spent(rows: npt.NDArray[np.float64]) -> Spent:
    # Where the system did not tell of some answer, there is no mean over all.
    took, *parts = rows.mean(axis=0).tolist()
    ran, waited, own_waited = (None if math.isnan(part) else part for part in parts)
    return Spent(took=took, api_ran=ran, api_waited=waited, asker_waited=own_waited)


if __name__ == "__main__":
    found = ask(msgspec.json.decode(sys.stdin.buffer.read(), type=Plan))
    sys.stdout.buffer.write(msgspec.json.encode(found))

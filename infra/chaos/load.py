"""The load of `pulsera chaos` and `pulsera soak`, in a process of its own.

Run as `python -m infra.chaos.load PLAN JOURNAL_FOLDER`. It reads commands from standard input, a line each:
`mark` (forget the worst ack so far), `episode DEVICE SECONDS` (that device's wearer races at rest, so that the clinical
floor decides after so many seconds), `finish` (send no more, wait for the acks, end). It says how it stands once every
half second, as a line of JSON; the last line has `"finished": true`. It ends with its parent.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from infra.chaos.device import SILENT_S, Device, Doings, Shop
from infra.chaos.journal import Journal
from infra.chaos.made_readings import CALM, RACING, Texts, table_of_values

TICK_S: Final = 0.01
STATUS_EVERY_S: Final = 0.5
CONNECT_OVER_S: Final = 2.0
DISCONNECT_EVERY_S: Final = 60.0
SILENT_EVERY_S: Final = 240.0
"""How often one device is cut off, and how often it falls silent, on the mean."""
LAST_ACKS_WITHIN_S: Final = 90.0
MOST_OWED_S: Final = 2.0
"""A load that was itself kept from running does not make up for more than this at once."""
FLOOR_S: Final = 120
"""The clinical floor needs 2 min of it."""
RACES_ON_S: Final = 10
CALM_AGAIN_S: Final = 20


class Load:
    """All devices: those that send all the time, then those that wait for their episode."""

    def __init__(self, plan: dict[str, Any], folder: Path) -> None:
        values = table_of_values(plan["seed"])
        self.doings = Doings()
        self.journal = Journal(folder)
        place = tuple(plan["place"]) if plan["place"] else None
        shop = Shop(plan["host"], plan["port"], Texts(values), self.journal, self.doings, place)
        everybody = [
            Device(shop, index=index, token=token, seed=plan["seed"]) for index, token in enumerate(plan["tokens"])
        ]
        self.steady = everybody[: plan["steady"]]
        self.patients = {device.index: device for device in everybody[plan["steady"] :]}
        self.finishing = asyncio.Event()
        self._rate: int = plan["rate"]
        self._random = random.Random(plan["seed"])  # noqa: S311 - repeatable, not secret
        self._episodes: list[asyncio.Task[None]] = []
        self._connections: list[asyncio.Task[None]] = []
        self._made = 0
        self._sending_s = 0.0

    async def run(self) -> None:
        """Send until told to finish, then wait for the acks that are still due."""
        says = asyncio.create_task(self._say())
        listens = asyncio.create_task(self._listen())
        for device in self.steady:
            self._connections.append(asyncio.create_task(self._connect_some_time(device)))
        await asyncio.sleep(CONNECT_OVER_S)
        async with asyncio.TaskGroup() as doing:
            doing.create_task(self._send())
            doing.create_task(self._trouble())
        await asyncio.gather(*self._episodes)
        await self._drained()
        says.cancel()
        for task in (*self._connections, listens):
            task.cancel()
        await asyncio.gather(says, listens, *self._connections, return_exceptions=True)
        for device in (*self.steady, *self.patients.values()):
            device.give_up()
        self.journal.close()
        self._print(finished=True)

    async def _connect_some_time(self, device: Device) -> None:
        await asyncio.sleep(self._random.uniform(0, CONNECT_OVER_S / 2))
        await device.run()

    async def _send(self) -> None:
        """Make messages evenly over devices and time; a late tick makes what it owes."""
        started, turn, count = time.perf_counter(), 0, len(self.steady)
        begun = started
        while not self.finishing.is_set():
            owed = int((time.perf_counter() - begun) * self._rate) - self._made
            if owed > MOST_OWED_S * self._rate:
                begun += owed / self._rate - MOST_OWED_S
                self.doings.counts["load_was_late"] += 1
            now_ms, turns = int(time.time() * 1000), 0
            while owed > 0 and turns < max(2 * owed, count):
                made = self.steady[turn % count].make(now_ms)
                self._made += made
                owed -= made
                turn, turns = turn + 1, turns + 1
            self._sending_s = time.perf_counter() - started
            await asyncio.sleep(TICK_S)

    async def _trouble(self) -> None:
        """Cut devices off and let them fall silent, the first one never: the health of the system is read from it."""
        silent: list[tuple[float, Device]] = []
        each_s = 0.1
        troubled = self.steady[1:]
        while not self.finishing.is_set():
            await asyncio.sleep(each_s)
            now_s = time.monotonic()
            while silent and silent[0][0] <= now_s:
                silent.pop(0)[1].speak()
            for device in self._drawn(troubled, each_s / DISCONNECT_EVERY_S):
                device.drop()
            for device in self._drawn(troubled, each_s / SILENT_EVERY_S):
                if not device.silent:
                    device.fall_silent()
                    silent.append((now_s + SILENT_S, device))
        for _, device in silent:
            device.speak()
        for device in self.steady:
            device.settle()

    def _drawn(self, devices: Sequence[Device], chance: float) -> list[Device]:
        return [device for device in devices if self._random.random() < chance]

    async def _episode(self, device: Device, decides_in_s: float) -> None:
        """Two minutes of a racing heart at rest, ending so many seconds from now; then a while more, then calm."""
        self._connections.append(asyncio.create_task(device.run()))
        now_ms, before_s = int(time.time() * 1000), FLOOR_S - int(decides_in_s)
        variants = [CALM + self._random.randrange(RACING) for _ in range(before_s)]
        backlog = [
            device.measure(now_ms - ago * 1000, v) for ago, v in zip(range(before_s, 0, -1), variants, strict=True)
        ]
        for at in range(0, len(backlog), 60):
            device.enqueue(backlog[at : at + 60])
        races_s = int(decides_in_s) + RACES_ON_S
        for second in range(races_s + CALM_AGAIN_S):
            racing = CALM + self._random.randrange(RACING)
            device.enqueue([device.measure(int(time.time() * 1000), racing if second < races_s else None)])
            device.flush()
            if self._random.random() < 1 / DISCONNECT_EVERY_S:
                device.drop()
            if self.finishing.is_set() and second >= races_s:
                return
            await asyncio.sleep(1)

    async def _drained(self) -> None:
        deadline_s = time.monotonic() + LAST_ACKS_WITHIN_S
        everybody = (*self.steady, *self.patients.values())
        while any(device.waiting for device in everybody) and time.monotonic() < deadline_s:  # noqa: ASYNC110 - acks
            await asyncio.sleep(TICK_S)

    async def _listen(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            words = line.decode().split()
            if words[0] == "mark":
                self.doings.worst_ack_s = 0.0
            elif words[0] == "episode":
                patient = self.patients[int(words[1])]
                self._episodes.append(asyncio.create_task(self._episode(patient, float(words[2]))))
            else:
                self.finishing.set()
        sys.exit("The run that this load belongs to has ended.")

    async def _say(self) -> None:
        while True:
            self._print(finished=False)
            await asyncio.sleep(STATUS_EVERY_S)

    def _print(self, *, finished: bool) -> None:
        now_s, doings = time.monotonic(), self.doings
        speaking = [device for device in self.steady if not device.silent]
        waits_s = max((device.oldest_unacked_s(now_s) for device in speaking), default=0.0)
        status = {
            "finished": finished,
            "made": self._made,
            "sending_s": round(self._sending_s, 1),
            "acked_messages": doings.acked_messages,
            "acked_readings": doings.acked_readings,
            "waiting": sum(len(device.waiting) for device in (*self.steady, *self.patients.values())),
            "served_s": min((device.last_ack_s for device in speaking), default=now_s),
            "worst_ack_s": max(doings.worst_ack_s, waits_s),
            "counts": dict(doings.counts),
            "refused": doings.refused,
        }
        sys.stdout.write(json.dumps(status) + "\n")
        sys.stdout.flush()


async def _main(plan: dict[str, Any], folder: Path) -> None:
    await Load(plan, folder).run()


def main() -> None:
    """Run the plan named on the command line."""
    uvloop.run(_main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])))


if __name__ == "__main__":
    main()

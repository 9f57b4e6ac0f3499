"""The load of `pulsera bench path`, in a process of its own: C devices, R messages a second, every ack noted.

Run as `python -m infra.bench.load PLAN RESULT`: PLAN is JSON, RESULT an .npz with one row a message
(device, seq, sent, acked in ms since 1970; acked 0 where no ack came). What a reading holds follows from its device
and number alone (`values_of`), so that the auditor can tell what should be stored without being told by the pipeline.
"""

import asyncio
import contextlib
import json
import sys
import time
import uuid
from array import array
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import uvloop

from infra.bench.wire import DeviceWire

TICK_S: Final = 0.01
ACK_DEADLINE_S: Final = 60.0
CONNECT_AT_ONCE: Final = 50
_ACK: Final = b'{"type":"ack","seq":'
PERIOD: Final = 80
"""Values repeat after so many devices or readings (the least common multiple of the moduli in `values_of`)."""


def values_of(device: npt.NDArray[np.int64], number: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    """Return the six vitals of reading `number` of `device`, each exactly representable as float32."""
    return {
        "heart_rate": 60.0 + (device * 7 + number) % 40,
        "spo2": 95.0 + (device + number) % 5,
        "respiratory_rate": 12.0 + (device + number * 3) % 8,
        "skin_temperature": 32.0 + ((device * 3 + number) % 16) / 8,
        "acceleration": 1.0 + ((device + number) % 8) / 32,
        "motion": ((device * 5 + number) % 8) / 256,
    }


@cache
def _vitals_text(device: int, number: int) -> bytes:
    """Return a reading's JSON after its time, without the last brace; both arguments are taken modulo `PERIOD`."""
    columns = values_of(np.array([device]), np.array([number]))
    row = {"source": "watch", "worn": True, "quality": 0.9} | {
        name: float(column[0]) for name, column in columns.items()
    }
    return b"," + json.dumps(row, separators=(",", ":")).encode()[1:-1]


class Device:
    """One simulated device: numbers its messages and notes when each was sent and acknowledged."""

    def __init__(self, index: int, messages: int) -> None:
        self.index = index
        self.planned = messages
        self.all_acked = asyncio.Event()
        self.sent_ms = array("d")
        self.acked_ms: list[float] = []
        self.first_reading_ms = array("q")
        self.sent = 0
        self.acked = 0
        self.last_time_ms = 0
        self.refused: list[str] = []
        self.wire: DeviceWire | None = None
        self._texts: list[bytes | None] = [None] * PERIOD

    def on_text(self, payload: bytes) -> None:
        """Note an ack: every message up to its seq is durable."""
        if payload.startswith(_ACK):
            seq = int(payload[len(_ACK) : -1])
            if seq > self.acked:
                self.acked_ms += [time.time() * 1000] * (seq - self.acked)
                self.acked = seq
                if seq >= self.planned:
                    self.all_acked.set()
        elif not payload.startswith((b'{"type":"welcome"', b'{"type":"throttle"')):
            self.refused.append(payload[:200].decode(errors="replace"))

    def message(self, batch: int, spacing_ms: int) -> bytes:
        """Return the next message: `batch` readings that end now, `spacing_ms` apart, never twice at one time."""
        self.sent += 1
        seq = self.sent
        now_ms = time.time() * 1000
        lasts_ms = (batch - 1) * spacing_ms
        first = max(int(now_ms) - lasts_ms, self.last_time_ms + spacing_ms)
        self.last_time_ms = first + lasts_ms
        self.first_reading_ms.append(first)
        self.sent_ms.append(now_ms)
        texts, number = self._texts, (seq - 1) * batch
        if batch == 1:  # the usual load: what it costs is taken from what is measured
            text = texts[number % PERIOD] or self._text(number % PERIOD)
            return b'{"type":"readings","seq":%d,"readings":[{"time":%d%b}]}' % (seq, first, text)
        rows = b'},{"time":'.join(
            [
                b"%d%b" % (first + at * spacing_ms, texts[(number + at) % PERIOD] or self._text((number + at) % PERIOD))
                for at in range(batch)
            ]
        )
        return b'{"type":"readings","seq":%d,"readings":[{"time":%b}]}' % (seq, rows)

    def _text(self, number: int) -> bytes:
        """Return a reading's JSON after its time, made once for all devices that send the same."""
        text = self._texts[number] = _vitals_text(self.index % PERIOD, number)
        return text


async def run(plan: dict[str, Any]) -> list[Device]:
    """Connect all devices, send at the planned rate, wait for the acks."""
    devices = [Device(index, plan["messages"]) for index in range(len(plan["tokens"]))]
    gate = asyncio.Semaphore(CONNECT_AT_ONCE)
    await asyncio.gather(*(_open(device, plan, gate) for device in devices))
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    await _send(devices, plan)
    sys.stdout.write("sent\n")
    sys.stdout.flush()
    with contextlib.suppress(TimeoutError):  # what was never acknowledged shows in the result
        async with asyncio.timeout(ACK_DEADLINE_S):
            await asyncio.gather(*(device.all_acked.wait() for device in devices))
    for device in devices:
        if device.wire is not None:
            device.wire.close()
    return devices


async def _open(device: Device, plan: dict[str, Any], gate: asyncio.Semaphore) -> None:
    async with gate:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(
            lambda: DeviceWire(plan["host"], plan["tokens"][device.index], device.on_text), plan["host"], plan["port"]
        )
        await wire.opened
        device.wire = wire
        hello = {"type": "hello", "boot": str(uuid.uuid4()), "model": "bench", "firmware": "1"}
        wire.send(json.dumps({**hello, "clock": int(time.time() * 1000), "origin": "simulated"}).encode())


async def _send(devices: list[Device], plan: dict[str, Any]) -> None:
    """Send messages evenly over the devices and over time; a late tick sends what it owes."""
    total, batch, spacing_ms = plan["messages"] * len(devices), plan["batch"], plan["spacing_ms"]
    turns = cycle(devices)
    begun = time.perf_counter()
    done = 0
    while done < total:
        owed = min(total, int((time.perf_counter() - begun) * plan["rate"]) + 1)
        for device in islice(turns, owed - done):
            if device.wire is not None:
                device.wire.send(device.message(batch, spacing_ms))
        done = owed
        await asyncio.sleep(TICK_S)


def save(devices: list[Device], path: Path) -> None:
    """Write one row a message, and what was refused."""
    columns = [
        np.column_stack(
            (
                np.full(device.sent, device.index),
                np.arange(1, device.sent + 1),
                device.sent_ms,
                [*device.acked_ms, *[0.0] * (device.sent - len(device.acked_ms))][: device.sent],
                device.first_reading_ms,
            )
        )
        for device in devices
    ]
    refused = [line for device in devices for line in device.refused][:20]
    closed = [device.wire.closed.result() for device in devices if device.wire and device.wire.closed.done()]
    np.savez(path, rows=np.concatenate(columns), refused=np.array(refused), closed=np.array(closed))


def main() -> None:
    """Run the plan named on the command line."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    save(uvloop.run(run(plan)), Path(sys.argv[2]))


if __name__ == "__main__":
    main()

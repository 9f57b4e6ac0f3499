"""Keeps programs running: started in order of need, restarted with back-off, stopped in stages, never orphaned."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.embedded.process import Child, Program, last_words, spawn
from schemas.errors import SetupError

_PROBE_EVERY_S = 0.05
_FIRST_DELAY_S = 0.05
_SECOND_DELAY_S = 0.5
_LONGEST_DELAY_S = 10.0
_STEADY_AFTER_S = 30.0
_TRIES_TO_START = 5


def restart_delay_s(failures: int) -> float:
    """How long to wait before a restart: the first in a row is made at once, later ones after 0.5 to 10 s."""
    if failures <= 1:
        return _FIRST_DELAY_S
    return min(_SECOND_DELAY_S * 2.0 ** (failures - 2), _LONGEST_DELAY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One program of the system: what it needs first, when it is ready, in which stage it is stopped (low first).

    `prepare` is called in a thread before every start; `ready` too, until it holds. A part that `may_end` is not
    restarted after it ended with code 0.
    """

    name: str
    prepare: Callable[[], Program]
    ready: Callable[[], bool]
    needs: frozenset[str] = frozenset()
    stop_stage: int = 0
    ready_within_s: float = 60.0
    stop_within_s: float = 15.0
    may_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something done once between the starts of the parts, in this process."""

    name: str
    run: Callable[[], Awaitable[None]]
    needs: frozenset[str] = frozenset()


def stop_order(parts: Collection[Part]) -> list[list[Part]]:
    """The parts in the order in which they are stopped; those of one stage are stopped together."""
    stages = sorted({part.stop_stage for part in parts})
    return [[part for part in parts if part.stop_stage == stage] for stage in stages]


def check_needs(nodes: Sequence[Part | Step]) -> None:
    """Raises ValueError when a need is not planned before the one that needs it: that would wait for ever."""
    known: set[str] = set()
    for node in nodes:
        if missing := node.needs - known:
            raise ValueError(f"{node.name} needs {', '.join(sorted(missing))}, which is not planned before it.")
        known.add(node.name)


async def launch(program: Program, log: Path) -> Child:
    """Start a program in a process of its own, its output appended to `log`."""
    return spawn(program, log=log)


class Supervisor:
    """Runs a plan of parts and steps.

    `say` takes one line for the operator, `changed` the pids after every start; `launch` starts a program.
    """

    def __init__(
        self,
        nodes: Sequence[Part | Step],
        *,
        log_dir: Path,
        say: Callable[[str], None],
        changed: Callable[[Mapping[str, int]], None],
        launch: Callable[[Program, Path], Awaitable[Child]] = launch,
    ) -> None:
        check_needs(nodes)
        self._nodes = nodes
        self._log_dir = log_dir
        self._say = say
        self._changed = changed
        self._launch = launch
        self._ready = {node.name: asyncio.Event() for node in nodes}
        self._begun_s = 0.0
        self.ready_after_s: dict[str, float] = {}
        """Seconds from the start of `run` until each part was ready for the first time, each step done."""
        self._children: dict[str, tuple[Child, Program]] = {}
        self._stopping = False
        self._stop_asked = asyncio.Event()
        self._haste = asyncio.Event()

    @property
    def pids(self) -> dict[str, int]:
        """The process id of every part that was started, as it is now."""
        return {name: child.pid for name, (child, _) in self._children.items()}

    def log_of(self, name: str) -> Path:
        """The file that takes what a part prints."""
        return self._log_dir / f"{name}.log"

    def ask_to_stop(self) -> None:
        """Begins the ordered stop; asked a second time, ends everything at once. Safe in the loop's signal handlers."""
        if self._stop_asked.is_set():
            self._haste.set()
        self._stop_asked.set()

    async def until_ready(self, name: str) -> None:
        """Waits until a part was ready for the first time, or a step is done."""
        await self._ready[name].wait()

    async def restart(self, name: str) -> None:
        """Asks a part that runs to end in its own manner, kills it where it does not; then it is started again."""
        if self._stopping or name not in self._children:
            return
        await self._stop(next(node for node in self._nodes if isinstance(node, Part) and node.name == name))

    async def run(self, when_ready: Callable[[], None]) -> None:
        """Starts everything, calls `when_ready` once, and returns after an ordered stop was asked for and done.

        Raises SetupError when a part does not start, or whatever a step raises; everything is stopped first.
        """
        self._begun_s = asyncio.get_running_loop().time()
        tasks = [asyncio.create_task(self._live(node), name=node.name) for node in self._nodes]
        stop_asked = asyncio.create_task(self._stop_asked.wait())
        all_ready = asyncio.create_task(self._all_ready())
        watched = {stop_asked, all_ready, *tasks}
        try:
            while not stop_asked.done():
                done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if all_ready in done:
                    when_ready()
        finally:
            self._stopping = True
            await self._stop_everything()
            for task in (stop_asked, all_ready, *tasks):
                task.cancel()
            await asyncio.gather(stop_asked, all_ready, *tasks, return_exceptions=True)
            # A part whose preparation was under way may have been started while the others stopped.
            await self._stop_everything()

    async def _all_ready(self) -> None:
        for event in self._ready.values():
            await event.wait()

    async def _live(self, node: Part | Step) -> None:
        for need in sorted(node.needs):
            await self._ready[need].wait()
        if isinstance(node, Step):
            await node.run()
            self._mark_ready(node.name)
        else:
            await self._keep(node)

    async def _keep(self, part: Part) -> None:
        """Starts the part again and again until the system stops, or it may end and did."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._stopping:
            started_s = loop.time()
            try:
                child = await self._start(part)
            except OSError as error:  # most of all a full disk: what ran well before is tried until there is room
                code, ending = 1, f"cannot be started ({error.strerror})"
            else:
                code = await self._until_end(part, child)
                ending = _ending(code)
            if self._stopping or (part.may_end and code == 0):
                return
            failures = 1 if loop.time() - started_s > _STEADY_AFTER_S else failures + 1
            if failures >= _TRIES_TO_START and not self._ready[part.name].is_set():
                words = last_words(self.log_of(part.name))
                raise SetupError(f"{part.name} does not start: {words}", next_step=f"Read {self.log_of(part.name)}.")
            delay_s = restart_delay_s(failures)
            self._say(f"{part.name} {ending}; starting it again in {delay_s:g} s")
            await asyncio.sleep(delay_s)

    async def _start(self, part: Part) -> Child:
        program = await asyncio.to_thread(part.prepare)
        child = await self._launch(program, self.log_of(part.name))
        self._children[part.name] = (child, program)
        self._changed(self.pids)
        return child

    async def _until_end(self, part: Part, child: Child) -> int:
        """Waits for the child to end, marking the part ready on the way; one that is not ready in time is killed."""
        readiness = asyncio.create_task(self._await_ready(part, child))
        try:
            return await exit_code(child)
        finally:
            readiness.cancel()
            await asyncio.gather(readiness, return_exceptions=True)

    async def _await_ready(self, part: Part, child: Child) -> None:
        try:
            async with asyncio.timeout(part.ready_within_s):
                while not await asyncio.to_thread(part.ready):  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(_PROBE_EVERY_S)
        except TimeoutError:
            self._say(f"{part.name} was not ready within {part.ready_within_s:g} s")
            child.kill()
            return
        self._mark_ready(part.name)
        self._changed(self.pids)  # a disk that was full at the start may have room now

    def _mark_ready(self, name: str) -> None:
        self.ready_after_s.setdefault(name, asyncio.get_running_loop().time() - self._begun_s)
        self._ready[name].set()

    async def _stop_everything(self) -> None:
        parts = [node for node in self._nodes if isinstance(node, Part) and node.name in self._children]
        for stage in stop_order(parts):
            await asyncio.gather(*(self._stop(part) for part in stage))

    async def _stop(self, part: Part) -> None:
        child, program = self._children[part.name]
        if child.poll() is not None:
            return
        child.send_signal(program.stop_signal)
        ended = asyncio.create_task(exit_code(child))
        haste = asyncio.create_task(self._haste.wait())
        await asyncio.wait({ended, haste}, timeout=part.stop_within_s, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            self._say(f"{part.name} is ended at once")
            child.send_signal(program.death_signal)
            try:
                await asyncio.wait_for(asyncio.shield(ended), timeout=5.0)
            except TimeoutError:
                child.kill()
        haste.cancel()
        await ended


async def exit_code(child: Child) -> int:
    """Waits for a child's end without a thread: Linux makes a readable file of it."""
    if not hasattr(os, "pidfd_open"):
        while child.poll() is None:  # noqa: ASYNC110 - no file tells of it on this system
            await asyncio.sleep(_PROBE_EVERY_S)
        return child.wait()
    if child.poll() is None:
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(child.pid)
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    return child.wait()


def _ending(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

"""Times the public functions of whole modules while real work runs through them: what each takes without its callees.

Every public function and method of a module is found by itself, so one that is written tomorrow is measured as well.
"""

import inspect
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from types import FunctionType, ModuleType
from typing import Any, Final

_ROOMS: Final = ("schemas.", "ingest.", "stream_processors.", "api.", "infra.bench.")
"""Where a function may be known by its name."""


class Stopwatch:
    """Adds up CPU time (ns) by function between two laps; the time of a timed callee is the callee's."""

    def __init__(self) -> None:
        self.spent_ns: dict[str, int] = {}
        self._callees_ns: list[int] = []

    def lap(self) -> dict[str, int]:
        """Return what was spent by whom since the last lap."""
        spent, self.spent_ns = self.spent_ns, {}
        return spent

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time taken; a generator is run to its end first."""
        is_generator = inspect.isgeneratorfunction(function)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            begun = time.thread_time_ns()
            self._callees_ns.append(0)
            try:
                result = function(*args, **kwargs)
                return iter(list(result)) if is_generator else result
            finally:
                whole = time.thread_time_ns() - begun
                self.spent_ns[name] = self.spent_ns.get(name, 0) + whole - self._callees_ns.pop()
                if self._callees_ns:
                    self._callees_ns[-1] += whole

        return call

    @contextmanager
    def watching(self, modules: Sequence[ModuleType]) -> Iterator[None]:
        """Time every public function of the modules while the context lasts."""
        undo: list[tuple[Any, str, Any]] = []
        try:
            for module in modules:
                for name, function in functions_of(module):
                    self._replace(function, self.timed(name, function), undo)
            yield
        finally:
            for owner, name, value in reversed(undo):
                setattr(owner, name, value)

    def _replace(self, function: FunctionType, timed: Any, undo: list[tuple[Any, str, Any]]) -> None:
        """Put the timed one wherever the function is known: in its class, or in every module that has imported it."""
        owner_name, _, _ = function.__qualname__.rpartition(".")
        if owner_name:
            owners = [vars(sys.modules[function.__module__])[owner_name]]
        else:
            owners = [one for name, one in list(sys.modules.items()) if name.startswith(_ROOMS)]
        for owner in owners:
            for name, value in list(vars(owner).items()):
                if value is function:
                    undo.append((owner, name, value))
                    setattr(owner, name, timed)


def functions_of(module: ModuleType) -> list[tuple[str, FunctionType]]:
    """Return the public functions and methods that a module defines, by `module.function` or `module.Class.method`."""
    short = module.__name__.rpartition(".")[2] if module.__name__.count(".") > 1 else module.__name__
    found: list[tuple[str, FunctionType]] = []
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__ or name.startswith("_"):
            continue
        if inspect.isfunction(value):
            found.append((f"{short}.{name}", value))
        elif inspect.isclass(value) and not getattr(value, "_is_protocol", False):
            found += [
                (f"{short}.{name}.{method}", one)
                for method, one in vars(value).items()
                if inspect.isfunction(one) and not method.startswith("_")
            ]
    return found

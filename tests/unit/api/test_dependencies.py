"""What stands before every route."""

import inspect
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.routes import alerts, people, series, service, session, video


def _all(dependant: Dependant) -> Iterator[Dependant]:
    for inner in dependant.dependencies:
        yield inner
        yield from _all(inner)


def test_no_request_waits_for_a_thread() -> None:
    """Every dependency of every route is a coroutine: others run in a thread, and each request waits for it."""
    seen = 0
    for routes in (alerts, people, series, service, session, video):
        for route in routes.router.routes:
            assert isinstance(route, APIRoute)
            for dependant in _all(route.dependant):
                assert inspect.iscoroutinefunction(dependant.call), f"{route.path}: {dependant.call}"
                seen += 1
    assert seen > 20

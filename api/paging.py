"""Pages of a list as JSON; a long one is made beside the event loop, so that live sockets do not wait for it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from fastapi.responses import Response

from api.errors import answer

ON_LOOP_MOST: Final = 100
"""Making more items than this would hold the loop for over 5 ms."""

_T = TypeVar("_T")


async def answer_page(found: Sequence[_T], view: Callable[[_T], Any], *, cursor: str | None) -> Response:
    """Return a page of what was found, each item as its view."""

    def made() -> Response:
        return answer({"items": [view(one) for one in found], "cursor": cursor})

    return made() if len(found) <= ON_LOOP_MOST else await asyncio.to_thread(made)

"""Routes that read a wearer's stored data: latest, readings, scores, episodes."""

from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from api import points, views
from api.callers import PortsHere, granted
from api.cursors import open_page, page_cursor
from api.errors import RefusedError, answer
from api.moments import Moment, from_ms
from api.paging import answer_page
from api.records import Span
from api.shapes import EpisodesShape, LatestShape, ReadingsShape, ScoresShape
from schemas.vitals import BY_NAME, NAMES

_DEFAULT_SPAN: Final = timedelta(hours=24)
_READINGS_MOST: Final = 5_000

router = APIRouter(tags=["data"])

ToRead = Annotated[UUID, Depends(granted("readings"))]
ToScore = Annotated[UUID, Depends(granted("scores"))]
From = Annotated[Moment | None, Query(alias="from", description="Default: 24 h before `to`.")]
To = Annotated[Moment | None, Query(alias="to", description="Default: now.")]
Limit = Annotated[int, Query(ge=1, le=_READINGS_MOST, description="Items of a page.")]
Cursor = Annotated[str | None, Query(max_length=400, description="From the previous page.")]


async def _span(ports: PortsHere, start: From = None, end: To = None, limit: Limit = 1_000) -> Span:
    to = end or ports.clock()
    since = start or to - _DEFAULT_SPAN
    if since > to:
        raise RefusedError(422, "invalid", "from: The time lies after `to`.", field="from")
    return Span(start=since, end=to, limit=limit)


SpanHere = Annotated[Span, Depends(_span)]


def _page(span: Span, after: tuple[object, ...] | None) -> Span:
    return Span(start=span.start, end=span.end, limit=span.limit, after=after)


async def _vitals(
    vitals: Annotated[str | None, Query(description="Names with commas; default all.")] = None,
) -> list[str]:
    if vitals is None:
        return list(NAMES)
    named = [name.strip() for name in vitals.split(",") if name.strip()]
    unknown = [name for name in named if name not in BY_NAME]
    if unknown or not named:
        raise RefusedError(
            422, "invalid", f"vitals: Name vitals of the registry: {', '.join(NAMES)}.", field="vitals", value=unknown
        )
    return [name for name in NAMES if name in named]


async def _step(
    step: Annotated[
        str | None,
        Query(
            description=(
                "Bring readings together in steps of this length, such as 30s, 5m, 1h or 1d, counted from 1970 in UTC: "
                f"mean, min, max and count of each vital, the sum of steps walked. At most {points.POINTS_MOST} points "
                "at once; a step without a reading is absent. `from` and `to` are widened to whole steps, `limit` "
                "does not apply."
            ),
            examples=["5m"],
        ),
    ] = None,
) -> timedelta | None:
    return points.parse_step(step)


Step = Annotated[timedelta | None, Depends(_step)]


@router.get("/wearers/{wearer_id}/latest", response_model=LatestShape)
async def latest(wearer_id: ToRead, ports: PortsHere) -> Response:
    """Return what was measured last, by the device's time, and the newest value of each vital."""
    found = await ports.reads.latest(wearer_id)
    return answer(views.no_latest(wearer_id) if found is None else views.latest(found))


@router.get("/wearers/{wearer_id}/readings", response_model=ReadingsShape | points.PointsShape)
async def readings(
    wearer_id: ToRead,
    ports: PortsHere,
    span: SpanHere,
    vitals: Annotated[list[str], Depends(_vitals)],
    step: Step,
    cursor: Cursor = None,
) -> Response:
    """Return stored readings, oldest first; with `step` what those of each step come to."""
    if step is not None:
        if cursor is not None:
            raise RefusedError(422, "invalid", "cursor: Steps come all at once, without pages.", field="cursor")
        taken = await ports.reads.points(wearer_id, points.whole_steps(span, step), vitals, step)
        return await answer_page(taken, points.view, cursor=None)
    after = open_page("readings", cursor, datetime, int)
    found = await ports.reads.readings(wearer_id, _page(span, after), vitals)
    last = found[-1] if len(found) == span.limit else None
    following = page_cursor("readings", last.time, last.stream_id) if last else None
    return await answer_page(found, views.reading, cursor=following)


@router.get("/wearers/{wearer_id}/scores", response_model=ScoresShape)
async def scores(wearer_id: ToScore, ports: PortsHere, span: SpanHere, cursor: Cursor = None) -> Response:
    """Return scored bins, oldest first."""
    after = open_page("scores", cursor, datetime)
    found = await ports.reads.scores(wearer_id, _page(span, after))
    following = page_cursor("scores", found[-1].bin) if len(found) == span.limit else None
    return await answer_page(found, views.score, cursor=following)


@router.get("/wearers/{wearer_id}/episodes", response_model=EpisodesShape)
async def episodes(wearer_id: ToScore, ports: PortsHere, span: SpanHere, cursor: Cursor = None) -> Response:
    """Return episodes whose onset lies in the span, newest first."""
    after = open_page("episodes", cursor, datetime, UUID)
    found = await ports.reads.episodes(wearer_id, _page(span, after))
    last = found[-1] if len(found) == span.limit else None
    following = page_cursor("episodes", from_ms(last.onset_ms), last.episode_id) if last else None
    return await answer_page(found, views.episode, cursor=following)

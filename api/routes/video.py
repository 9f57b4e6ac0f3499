"""Routes that find the pulse in an uploaded video: at once, or as a job that is asked for later."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from api import points, uploads
from api.callers import CallerHere, Ports, PortsHere, check_scope, note
from api.errors import RefusedError, answer, describe
from api.insights import TREND_DAYS, insights
from api.jobs import MOST_TAKEN, Job, Progress, too_slow
from api.moments import stamp
from api.records import Point, Span
from api.shapes import ErrorShape
from api.video_shapes import NOTICE, REQUEST_BODY, AnalysisShape, DetailShape, JobShape, VitalsHealthShape

PATH: Final = "/vitals/analyze-video"
ALIAS: Final = "/analyze-video"

_NOTE: Final = "Kept in the API's memory for an hour after its end; a restart of the API loses it."
_DAY: Final = timedelta(days=1)

_FAULTS: Final[Mapping[int, str]] = {
    400: "The body cannot be read.",
    401: "No valid token.",
    403: "The grant lacks the scope.",
    404: "There is no such wearer, or none that the caller may know of.",
    408: "The body did not come in time.",
    413: "The video is too large.",
    415: "It is no form and no JSON, or the file is declared as something else than a video.",
    422: "It cannot be decoded, or the address may not be asked; `code` and `details.reason` say why.",
    429: "You have as many videos here as one may (`Retry-After`).",
    500: "The analysis failed here.",
    502: "The address of the video does not answer as it should.",
    503: "The queue is full, or there is no room (`Retry-After`).",
    504: "Not done after 180 s, so it was ended.",
}


def _faults(shape: type[ErrorShape | DetailShape]) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": shape, "description": text} for status, text in _FAULTS.items()}


_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": JobShape, "description": "Taken, as `Prefer: respond-async` asked; `Location` names the job."}
}

router = APIRouter(tags=["video"])

Wearer = Annotated[
    UUID | None,
    Query(description="Whose stored readings the trend is taken from (scope readings). Nothing is stored for anybody."),
]
Region = Annotated[
    Literal["face", "full"], Query(description="`full`: the whole picture is skin; nobody looks for a face.")
]
Prefer = Annotated[str, Header(max_length=200, description="`respond-async`: answer 202 at once with a job.")]
JobId = Annotated[UUID, Path(description="The job.")]


@router.post(
    ALIAS, response_model=AnalysisShape, responses={**_faults(DetailShape), **_ACCEPTED}, openapi_extra=REQUEST_BODY
)
@router.post(
    PATH, response_model=AnalysisShape, responses={**_faults(ErrorShape), **_ACCEPTED}, openapi_extra=REQUEST_BODY
)
async def analyze_video(
    request: Request,
    ports: PortsHere,
    caller: CallerHere,
    wearer: Wearer = None,
    region: Region = "face",
    prefer: Prefer = "",
) -> Response:
    """Find the pulse in a video: heart rate with confidence, or the reason why there is none.

    Send the video as the field `file` of a form, or JSON that names its address. The file is deleted in any case.
    """
    if wearer is not None:
        check_scope(ports, caller, wearer, "readings")
        note(ports, caller, "POST analyze-video", f"wearer:{wearer}")
    received = ports.clock()
    async with ports.jobs.place(caller.user_id) as place:
        with ExitStack() as stack:
            file = stack.enter_context(ports.videos.private_file())
            address = await _received(request, file)
            order = _Order(address=address, wearer=wearer, region=region, received=received)
            work = partial(_work, ports, file, order)
            job = ports.jobs.start(place, work, held=stack.pop_all(), wearer=wearer)
    if "respond-async" in {token.strip().lower() for token in prefer.split(",")}:
        headers = {"Location": f"/vitals/jobs/{job.job_id}", "Preference-Applied": "respond-async"}
        return answer(_shown(ports, job), 202, headers=headers)
    return answer(await _result(request, ports, job))


@router.get("/vitals/jobs/{job_id}", response_model=JobShape)
async def show_job(job_id: JobId, ports: PortsHere, caller: CallerHere) -> Response:
    """Tell how far a job is, and its result once it is there; only whoever started it is told, and may still see it."""
    job = ports.jobs.find(job_id, caller.user_id)
    if job.wearer is not None:
        check_scope(ports, caller, job.wearer, "readings")
    return answer(_shown(ports, job))


@router.delete("/vitals/jobs/{job_id}", status_code=204, response_class=Response)
async def cancel_job(job_id: JobId, ports: PortsHere, caller: CallerHere) -> Response:
    """End a job at once and forget it with its result."""
    await ports.jobs.drop(ports.jobs.find(job_id, caller.user_id))
    return Response(status_code=204)


@router.get("/vitals/health", response_model=VitalsHealthShape)
async def health(ports: PortsHere, _caller: CallerHere) -> Response:
    """Tell whether videos can be analysed here, and how full the queue is."""
    components = ports.videos.components()
    well = all(part.get("available", True) for part in components.values())
    queue = {"running": ports.jobs.running, "taken": ports.jobs.taken, "most": MOST_TAKEN}
    status = "healthy" if well else "degraded"
    return answer({"status": status, "service": "vitals", "components": components, "queue": queue})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    address: uploads.VideoAddress | None
    wearer: UUID | None
    region: str
    received: datetime


async def _received(request: Request, file: IO[bytes]) -> uploads.VideoAddress | None:
    """Write the request's video into the file, or return the address where it is."""
    media_type, boundary = uploads.media_type_of(request.headers.get("content-type", ""))
    try:
        if media_type == "application/json":
            return await uploads.receive_address(request.stream())
        await uploads.receive_form(request.stream(), boundary, file)
    except ClientDisconnect as error:
        raise RefusedError(400, "gone", "The connection ended before the body.") from error
    return None


async def _work(ports: Ports, file: IO[bytes], order: _Order, progress: Progress) -> dict[str, Any]:
    if order.address is not None:
        await ports.videos.fetch(order.address.video_url, file)
    analysis = await ports.videos.analyze(file, region=order.region, progress=progress)
    days = None if order.wearer is None else await _days(ports, order.wearer)
    told = insights(analysis, days)
    risk = analysis["risk_prediction"]
    return {
        "recording_id": None if order.address is None else order.address.recording_id,
        **analysis,
        "risk_prediction": None if risk is None else risk | {"insights": told},
        "insights": told,
        "received_at": stamp(order.received),
        "processed_at": stamp(ports.clock()),
        "notice": NOTICE,
    }


async def _days(ports: Ports, wearer: UUID) -> Sequence[Point]:
    """Return the wearer's newest whole days."""
    now = ports.clock()
    end = now.replace(hour=0, minute=0, second=0, microsecond=0)
    span = Span(start=end - TREND_DAYS * _DAY, end=end, limit=points.READINGS_MOST)
    return await ports.reads.points(wearer, points.whole_steps(span, _DAY), ["heart_rate"], _DAY)


async def _result(request: Request, ports: Ports, job: Job) -> dict[str, Any]:
    """Return what came of a job while its client waits; whoever goes away, or waits too long, ends it.

    Raises:
        PulseraError: What it failed with.
    """
    if job.task is None:
        raise TypeError("A job that was not started cannot be waited for.")
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({job.task, gone}, timeout=ports.jobs.limit_s, return_when=asyncio.FIRST_COMPLETED)
        over, left = job.over, gone.done()
    finally:
        gone.cancel()
        await asyncio.gather(ports.jobs.drop(job), gone, return_exceptions=True)
    if job.result is not None:
        return job.result
    if over and job.error is not None:
        raise job.error
    if left:
        raise RefusedError(400, "gone", "The connection ended before the answer.")
    raise too_slow(ports.jobs.limit_s)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _shown(ports: Ports, job: Job) -> dict[str, Any]:
    expires = ports.jobs.expires(job)
    error = None if job.error is None else msgspec.json.decode(describe(job.error).body)["error"]
    return {
        "job_id": job.job_id,
        "status": job.state,
        "progress": job.progress,
        "created": stamp(job.created),
        "expires": None if expires is None else stamp(expires),
        "result": job.result,
        "error": error,
        "note": _NOTE,
    }

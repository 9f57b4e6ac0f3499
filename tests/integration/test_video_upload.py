"""Videos over real HTTP: what is answered, and that files and processes are gone afterwards, however it ends."""

import asyncio
import errno
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from api import uploads
from api.jobs import MOST_OF_ONE, MOST_TAKEN
from infra.download import Download, Rules
from infra.rppg.analyses import ChildVideos
from tests.raw_sockets import closed
from tests.security.doors import raw
from tests.video_server import FOREIGN, SHARED, VideoServer, until, video_server

AVI = b"RIFF\x00\x00\x00\x00AVI " + bytes(5_000)
"""Enough of a video for whoever looks at its first bytes alone."""
FORM = {"file": ("clip.avi", AVI, "video/x-msvideo")}
ANALYSIS: dict[str, Any] = {
    "status": "no_estimate",
    "reason": "motion",
    "detail": "The face moves too much.",
    "heart_rate_data": [],
    "hr_bpm": None,
    "confidence": 0.0,
    "respiratory_rate_per_min": None,
    "respiratory_reason": "no_heart_rate",
    "hrv": None,
    "hrv_reason": "no_heart_rate",
    "features": None,
    "risk_prediction": None,
    "risk_reason": "no_validated_model",
    "quality": {"snr_db": None, "face_ratio": 1.0, "motion": 0.4, "fps": 30.0, "duration_s": 10.0, "coverage": 0.0},
    "windows": [{"time_s": 9.0, "heart_rate_bpm": None, "confidence": 0.0, "snr_db": None, "reason": "motion"}],
    "video": {},
    "method": "POS",
    "model_version": "rppg 1",
}
HANGS = "import time\nprint('{\"progress\": 0.25}', flush=True)\ntime.sleep(600)"
TELLS = f"print({json.dumps(json.dumps({'analysis': ANALYSIS}))})"


@asynccontextmanager
async def served(script: str, folder: Path, *, limit_s: float = 30.0) -> AsyncIterator[VideoServer]:
    """Serve with a script in the decoder's place."""
    videos = ChildVideos(Download(Rules(hosts=())).fetch, folder=folder, command=("-c", script))
    async with video_server(videos, limit_s=limit_s) as server:
        yield server


def children() -> list[psutil.Process]:
    """Return the processes of this one that run in the decoder's place; other tests have processes of their own."""
    return [one for one in psutil.Process().children() if {HANGS, TELLS} & set(command(one))]


def command(process: psutil.Process) -> list[str]:
    """Return how a process was started; of one that has ended, waited for or not, nobody knows it any more."""
    try:
        words: list[str] = process.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one too
        return []
    return words


def open_uploads(folder: Path) -> list[str]:
    """Return the files of a folder that this process has open; they have no names."""
    links = []
    for number in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(number.readlink()))
        except FileNotFoundError:
            continue
    return [link for link in links if link.startswith(str(folder))]


async def told(client: httpx.AsyncClient, where: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return what is told of a job once that is what is wanted."""
    async with asyncio.timeout(20):
        said: dict[str, Any] = {}
        while not wanted(said := (await client.get(where)).json()):  # noqa: ASYNC110 - a job is asked for, it does not call
            await asyncio.sleep(0.02)
    return said


async def test_an_upload_is_answered_with_the_earlier_contract_and_more(tmp_path: Path) -> None:
    """The answer holds the earlier fields, the reason, rules with their numbers, and nothing is left behind."""
    async with served(TELLS, tmp_path) as server, server.client() as client:
        answer = await client.post("/vitals/analyze-video", files=FORM, params={"wearer": str(SHARED)})
        said = answer.json()
        assert answer.status_code == 200
        assert (said["status"], said["reason"], said["heart_rate_data"]) == ("no_estimate", "motion", [])
        assert said["risk_prediction"] is None
        assert said["risk_reason"] == "no_validated_model"
        assert said["insights"]["trend"]["numbers"]["newest_mean_bpm"] == 66.0
        assert said["insights"]["anomalies"][0]["numbers"] == {"windows": 1, "of": 1}
        assert "not a medical device" in said["notice"]
        assert open_uploads(tmp_path) == []


async def test_the_file_is_private_while_it_lies_there(tmp_path: Path) -> None:
    """The child reads exactly the bytes that were sent, from a file without a name that its owner alone may open."""
    script = (
        "import os, sys, json\n"
        "found = os.stat(int(sys.argv[2]))\n"
        "data = open(f'/proc/self/fd/{sys.argv[2]}', 'rb').read()\n"
        "print(json.dumps({'unreadable': {'reason': 'x', 'detail': f'{found.st_mode & 0o777:o} {found.st_nlink} '"
        " f'{len(data)} {sorted(os.environ)}'}}))"
    )
    async with served(script, tmp_path) as server, server.client() as client:
        answer = await client.post("/analyze-video", files=FORM)
    mode, links, size, environment = answer.json()["detail"].split(" ", 3)
    assert (mode, links, int(size)) == ("600", "0", len(AVI))
    assert "PULSERA" not in environment


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ({"files": {"file": ("x.avi", b"", "video/mp4")}}, 422, "undecodable"),
        ({"files": {"file": ("x.mp4", b"no video" * 99, "video/mp4")}}, 422, "undecodable"),
        ({"files": {"file": ("x.mp3", b"ID3" + bytes(99), "video/mp4")}}, 422, "undecodable"),
        ({"files": {"file": ("x.txt", AVI, "text/plain")}}, 415, "unsupported_media_type"),
        ({"files": {"other": ("x.avi", AVI, "video/mp4")}}, 422, "invalid"),
        ({"files": [("file", ("x.avi", AVI, "video/mp4")), ("file", ("y.avi", AVI, "video/mp4"))]}, 422, "invalid"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "invalid"),
        ({"json": {"recording_id": "1"}}, 422, "invalid"),
        ({"json": {"recording_id": "1", "video_url": "https://x.example/"}}, 422, "video_url_refused"),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 422, "invalid"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422, "invalid"),
    ],
)
async def test_what_is_no_video_is_refused_in_both_shapes(
    content: dict[str, Any], status: int, code: str, tmp_path: Path
) -> None:
    """Each fault has its status and code; the earlier path has `detail` beside it; no process is started for it."""
    async with served("raise SystemExit(3)", tmp_path) as server, server.client() as client:
        for path in ("/vitals/analyze-video", "/analyze-video"):
            answer = await client.post(path, **content)
            said = answer.json()
            assert (answer.status_code, said["error"]["code"]) == (status, code), answer.text
            assert said.get("detail") == (said["error"]["message"] if path == "/analyze-video" else None)
        assert open_uploads(tmp_path) == []


async def test_who_asks_is_checked_before_a_byte_is_read(tmp_path: Path) -> None:
    """Without a token 401 in either shape, for somebody else's wearer 404: the body is never taken."""
    async with served(TELLS, tmp_path) as server:
        async with server.client(None) as nobody:
            answer = await nobody.post("/analyze-video", files=FORM)
            assert (answer.status_code, answer.json()["detail"]) == (401, answer.json()["error"]["message"])
            assert (await nobody.get(f"/vitals/jobs/{uuid4()}")).status_code == 401
        async with server.client("a") as user:
            answer = await user.post("/vitals/analyze-video", files=FORM, params={"wearer": str(FOREIGN)})
            assert answer.status_code == 404


async def test_a_video_may_be_so_large_and_no_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer file is refused as soon as it has become longer, also where its length was not declared."""
    monkeypatch.setattr(uploads, "MOST_VIDEO_BYTES", 4_000)

    async def pieces() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        for _ in range(50):
            yield AVI

    async with served(TELLS, tmp_path) as server, server.client() as client:
        assert (await client.post("/analyze-video", files=FORM)).status_code == 413
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        assert (await client.post("/analyze-video", content=pieces(), headers=headers)).status_code == 413
        assert open_uploads(tmp_path) == []
        head = f"POST /analyze-video HTTP/1.1\r\nHost: x\r\nContent-Length: {uploads.MOST_BODY_BYTES + 1}\r\n\r\n"
        declared = await raw(server.host, head.encode())
        assert (declared.status, declared.json()["detail"]) == (413, "The body is too large.")


async def test_work_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    """After its time the process is killed, the file is gone and the answer is 504."""
    async with served(HANGS, tmp_path, limit_s=0.5) as server, server.client() as client:
        answer = await client.post("/analyze-video", files=FORM)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "too_slow")
        await until(lambda: not children() and not open_uploads(tmp_path))


def begun(server: VideoServer, *, cut: bool) -> bool:
    """Return whether a body is being received, or its decoder runs."""
    return server.jobs.taken == 1 if cut else bool(children())


async def test_who_goes_away_ends_the_work(tmp_path: Path) -> None:
    """A client that closes its connection while it waits, or within its body, leaves neither process nor file."""
    async with served(HANGS, tmp_path) as server:
        head = (
            "POST /vitals/analyze-video HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n"
        )
        form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + AVI + b"\r\n--b--\r\n"
        host, _, port = server.host.rpartition(":")
        for body, cut in ((form, False), (form[:900], True)):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(head.format(len(form)).encode() + body)
            await until(partial(begun, server, cut=cut))
            await closed(writer)
            await until(lambda: not children() and not open_uploads(tmp_path) and server.jobs.taken == 0)


async def test_a_job_is_its_creator_s_and_can_be_cancelled(tmp_path: Path) -> None:
    """`Prefer: respond-async` gives a job with progress; nobody else sees it; DELETE kills its process."""
    async with served(HANGS, tmp_path) as server, server.client("a") as client, server.client("b") as other:
        answer = await client.post("/vitals/analyze-video", files=FORM, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202
        where = answer.headers["location"]
        said = await told(client, where, lambda said: said["progress"] == 0.25)
        assert said["status"] == "running"
        assert (await other.get(where)).status_code == 404
        assert (await other.delete(where)).status_code == 404
        assert (await client.delete(where)).status_code == 204
        assert children() == []
        assert (await client.get(where)).status_code == 404
        assert open_uploads(tmp_path) == []


async def test_a_job_keeps_its_result(tmp_path: Path) -> None:
    """A job that is done tells its result and when it will be forgotten; one that failed tells why."""
    async with served(TELLS, tmp_path) as server, server.client() as client:
        for files, status in ((FORM, "done"), ({"file": ("x", b"none", "video/mp4")}, "failed")):
            answer = await client.post("/vitals/analyze-video", files=files, headers={"Prefer": "respond-async"})
            said = await told(client, answer.headers["location"], lambda said: said["expires"] is not None)
            assert said["status"] == status
            assert "restart" in said["note"]
            assert (said["result"] or {}).get("reason") == ("motion" if status == "done" else None)
            assert (said["error"] or {}).get("code") == ("undecodable" if status == "failed" else None)


async def test_a_withdrawn_grant_ends_the_sight_of_a_result(tmp_path: Path) -> None:
    """A job that was made with a wearer's stored days is told to nobody who may no longer see the wearer."""
    async with served(TELLS, tmp_path) as server, server.client() as client:
        ahead = {"Prefer": "respond-async"}
        answer = await client.post("/vitals/analyze-video", files=FORM, headers=ahead, params={"wearer": str(SHARED)})
        where = answer.headers["location"]
        await told(client, where, lambda said: said["status"] == "done")
        server.access.withdrawn = True
        assert (await client.get(where)).status_code == 404


async def test_an_address_whose_video_finds_no_room_is_answered(tmp_path: Path) -> None:
    """A full disk while a video is fetched is 503 with the time to try again, and no process is started for it."""

    async def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    videos = ChildVideos(full, folder=tmp_path, command=("-c", "raise SystemExit(3)"))
    async with video_server(videos) as server, server.client() as client:
        order = {"recording_id": "1", "video_url": "https://videos.example/1.mp4"}
        answer = await client.post("/vitals/analyze-video", json=order)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_room")
    assert answer.headers["retry-after"]


async def test_the_queue_is_bounded(tmp_path: Path) -> None:
    """One user holds so many places and gets 429 with Retry-After, all together so many and get 503."""
    async with served(HANGS, tmp_path) as server, server.client("a") as client, server.client("b") as other:
        ahead = {"Prefer": "respond-async"}
        for _ in range(MOST_OF_ONE):
            assert (await client.post("/vitals/analyze-video", files=FORM, headers=ahead)).status_code == 202
        answer = await client.post("/vitals/analyze-video", files=FORM, headers=ahead)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
        async with server.jobs.place(uuid4()), server.jobs.place(uuid4()), server.jobs.place(uuid4()):
            assert server.jobs.taken == MOST_TAKEN
            answer = await other.post("/analyze-video", files=FORM)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        queue = (await client.get("/vitals/health")).json()["queue"]
        assert queue == {"running": 1, "taken": 2, "most": MOST_TAKEN}


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 422),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 503),
        ("raise RuntimeError('x')", 500),
        ("print('no json')", 500),
        ("print('[' * 10000)", 500),
    ],
)
async def test_a_decoder_that_fails_is_an_answer(script: str, status: int, tmp_path: Path) -> None:
    """A crash that the file caused is 422, one for want of memory 503, one of ours 500: always JSON, nothing inside."""
    async with served(script, tmp_path) as server, server.client() as client:
        answer = await client.post("/vitals/analyze-video", files=FORM)
        assert answer.status_code == status
        assert "Traceback" not in answer.text
        assert answer.json()["error"]["message"]


async def run(arguments: Sequence[str]) -> tuple[int, bytes]:
    """Return how a process ended and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said


async def test_the_process_that_decodes_is_bounded(tmp_path: Path) -> None:
    """It cannot take more memory than it may, write a file, or outlive whoever started it."""
    take = "import os; from infra.rppg.analysis_process import confine; confine(os.getppid()); {}"
    code, said = await run(["-c", take.format("\ntry: bytearray(3 << 30)\nexcept MemoryError: print('none')")])
    assert (code, said.strip()) == (0, b"none")
    code, _ = await run(["-c", take.format(f"\nwith open({str(tmp_path / 'x')!r}, 'w') as f: f.write('x')")])
    assert code != 0
    assert (await run(["-m", "infra.rppg.analysis_process", "1", "0", "face"]))[0] == 1


ORPHAN = """
import asyncio, sys
from pathlib import Path
from infra.download import Download, Rules
from infra.rppg.analyses import ChildVideos

CHILD = '''
import json, os, sys, time
from infra.rppg.analysis_process import confine
confine(int(sys.argv[1]))
print(json.dumps({"progress": os.getpid()}), flush=True)
time.sleep(600)
'''

async def main():
    videos = ChildVideos(Download(Rules(hosts=())).fetch, command=("-c", CHILD))
    with videos.private_file() as file:
        file.write(b"RIFF....AVI " + bytes(99))
        await videos.analyze(file, region="face", progress=lambda pid: print(pid, flush=True))

asyncio.run(main())
"""


async def test_a_kill_of_the_api_leaves_no_decoder() -> None:
    """The process that decodes dies with the one that started it, also where that had no time for anything."""
    api = await asyncio.create_subprocess_exec(sys.executable, "-c", ORPHAN, stdout=asyncio.subprocess.PIPE)
    assert api.stdout is not None
    child = psutil.Process(int(await asyncio.wait_for(api.stdout.readline(), 60)))
    assert child.is_running()
    api.kill()
    await api.communicate()
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_the_api_loads_no_decoder() -> None:
    """Importing the API and what analyses for it loads neither OpenCV nor scipy, torch, sklearn or onnxruntime."""
    names = "{'cv2', 'scipy', 'torch', 'onnxruntime', 'sklearn', 'matplotlib'}"
    code, said = await run(["-c", f"import sys, infra.api_process; print(sorted({names} & set(sys.modules)))"])
    assert (code, said.strip()) == (0, b"[]")

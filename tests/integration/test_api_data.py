"""Stored data and alerts over real HTTP, with a real Kafka and PostgreSQL behind it."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from api.callers import PUBLIC_PATHS
from api.cursors import page_cursor
from schemas.topics import COMMANDS, partition_of
from tests.api_server import DEADLINE_S, RunningApi, episode, frame, running_api
from tests.embedded_services import BOTH_DATABASES

pytestmark = [pytest.mark.connected, BOTH_DATABASES]

ALIASES = {"/analyze-video"}
"""Paths of an earlier system, which keep its errors."""

_DAY = {"from": "2026-11-21T07:59:00Z", "to": "2026-11-21T09:00:00+00:00"}


@pytest.fixture
async def api(database_url: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """A served API."""
    async with running_api(database_url, kafka_bootstrap) as served:
        yield served


@asynccontextmanager
async def care_at_work(api: RunningApi, wearer: UUID) -> AsyncIterator[None]:
    """Do what care does with commands about a wearer while the context lasts."""
    partition = partition_of(wearer)
    start = (await api.reader.bounds(COMMANDS.name, partition))[1]

    async def work() -> None:
        following = start
        while True:
            following = await api.care(wearer, commands_from=following)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_readings_come_in_pages_that_leave_nothing_out(api: RunningApi) -> None:
    """Pages follow one another by cursor, oldest first, with what was measured and nothing else."""
    wearer = await api.wearer()
    rows = [{"at": second, "heart_rate": 70.0 + second} for second in range(5)]
    made = frame(wearer, *rows, {"at": 9, "spo2": 96.5})
    await api.store(wearer, made, following=1)
    async with api.client(api.admin) as admin:
        path, seen, cursor = f"/wearers/{wearer}/readings", [], None
        while True:
            query = {**_DAY, "limit": "2", **({"cursor": cursor} if cursor else {})}
            page = (await admin.get(path, params=query)).json()
            seen += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                break
        assert [one.get("heart_rate") for one in seen] == [70, 71, 72, 73, 74, None]
        assert seen[-1]["spo2"] == 96.5
        assert "heart_rate" not in seen[-1]
        only = (await admin.get(path, params={**_DAY, "vitals": "spo2"})).json()["items"]
        assert [one["time"] for one in only] == ["2026-11-21T08:00:09.000Z"]


async def test_numbers_come_back_as_they_were_sent(api: RunningApi) -> None:
    """What 32 bits make of 36.6 or 0.9 is nowhere shown."""
    wearer = await api.wearer()
    sent = {"body_temperature": 36.6, "quality": 0.9, "hrv_rmssd": 41.7, "hrv_window_s": 60.1, "ibi": [812.3]}
    await api.store(wearer, frame(wearer, {"at": 0, **sent}), following=1)
    async with api.client(api.admin) as admin:
        latest = (await admin.get(f"/wearers/{wearer}/latest")).json()
    assert {name: latest[name] for name in sent} == sent


async def test_latest_is_the_newest_measured_with_the_newest_of_each_vital(api: RunningApi) -> None:
    """A vital that the newest reading lacks keeps its own older time."""
    wearer = await api.wearer()
    made = frame(wearer, {"at": 0, "heart_rate": 70.0, "spo2": 97.0}, {"at": 5, "heart_rate": 75.0})
    await api.store(wearer, made, following=1)
    async with api.client(api.admin) as admin:
        latest = (await admin.get(f"/wearers/{wearer}/latest")).json()
    assert (latest["time"], latest["heart_rate"]) == ("2026-11-21T08:00:05.000Z", 75.0)
    assert latest["spo2"] is None
    assert latest["vitals"]["spo2"] == {
        "value": 97.0,
        "unit": "%",
        "time": "2026-11-21T08:00:00.000Z",
        "source": "watch",
        "quality": None,
        "origin": "live",
        "injected": False,
    }


async def test_readings_come_in_steps(api: RunningApi) -> None:
    """Steps hold mean, extremes, counts and sums, say what stands behind them, and leave empty ones out."""
    wearer = await api.wearer()
    made = frame(
        wearer,
        {"at": 0, "heart_rate": 70.0, "steps": 4.0},
        {"at": 30, "heart_rate": 75.0, "injected": True},
        {"at": 125, "spo2": 97.0, "origin": 2},
    )
    await api.store(wearer, made, following=1)
    async with api.client(api.admin) as admin:
        answer = (await admin.get(f"/wearers/{wearer}/readings", params={**_DAY, "step": "1m"})).json()
        narrow = await admin.get(f"/wearers/{wearer}/readings", params={**_DAY, "step": "90s", "vitals": "spo2"})
    assert answer["cursor"] is None
    first, last = answer["items"]
    assert first == {
        "wearer_id": str(wearer),
        "time": "2026-11-21T08:00:00.000Z",
        "step_s": 60,
        "readings": 2,
        "injected": 1,
        "replayed": 0,
        "simulated": 0,
        "vitals": {
            "heart_rate": {"mean": 72.5, "min": 70.0, "max": 75.0, "count": 2, "unit": "/min"},
            "steps": {"sum": 4.0, "count": 1, "unit": "{steps}"},
        },
    }
    assert (last["time"], last["simulated"], list(last["vitals"])) == ("2026-11-21T08:02:00.000Z", 1, ["spo2"])
    assert [(one["time"], one["readings"]) for one in narrow.json()["items"]] == [("2026-11-21T08:01:30.000Z", 1)]


async def test_a_query_that_cannot_be_meant_is_refused_by_the_name_of_its_field(api: RunningApi) -> None:
    """Naive times, unknown vitals, steps, foreign cursors and wild limits are 422 and name the field."""
    wearer = await api.wearer()
    async with api.client(api.admin) as admin:
        for query, field, code in (
            ({"from": "2026-11-21T08:00:00"}, "from", "invalid"),
            ({"from": "2027-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from", "invalid"),
            ({"vitals": "heart_rate,mood"}, "vitals", "invalid"),
            ({"step": "60"}, "step", "invalid"),
            ({"step": "1s", "from": "2026-11-01T00:00:00Z"}, "step", "too_many_points"),
            ({"step": "1m", "cursor": "AAAA"}, "cursor", "invalid"),
            ({"cursor": "AAAA"}, "cursor", "bad_cursor"),
            ({"limit": "0"}, "limit", "invalid"),
        ):
            answer = await admin.get(f"/wearers/{wearer}/readings", params=query)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, code), query
            assert answer.json()["error"]["details"]["field"] == field


async def _pieces() -> AsyncIterator[bytes]:
    for _ in range(70):
        yield b" " * 1_000


async def test_every_error_has_one_shape(api: RunningApi) -> None:
    """An unknown path, a wrong method, a large body and broken JSON are told in the same shape."""
    async with api.client(api.admin) as admin:
        answers = [
            (await admin.get("/nowhere"), 404, "not_found"),
            (await admin.put("/wearers", json={}), 405, "method_not_allowed"),
            (await admin.post("/wearers", json={"name": "x" * 70_000}), 413, "too_large"),
            (await admin.post("/wearers", content=_pieces()), 413, "too_large"),
            (await admin.post("/wearers", json={"name": ""}), 422, "invalid"),
            (await admin.get("/wearers/not-an-id/latest"), 422, "invalid"),
            (await admin.post("/wearers", content=b"{", headers={"Content-Type": "application/json"}), 422, "invalid"),
        ]
    for answer, status, code in answers:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code)
        assert set(error) == {"code", "message", "details"}


async def test_acknowledging_answers_with_the_state_that_care_recorded(api: RunningApi) -> None:
    """Acknowledging is not resolving, repeats of one key are one, and a later answer is its own."""
    wearer = await api.wearer()
    await api.care(wearer, episode(wearer))
    async with api.client(api.admin) as admin, care_at_work(api, wearer):
        (alert,) = (await admin.get("/alerts", params={"status": "unseen"})).json()["items"]
        path = f"/alerts/{alert['alert_id']}"
        seen = await admin.post(f"{path}/seen")
        assert (seen.status_code, seen.json()["response"]) == (200, "seen")
        key = {"Idempotency-Key": "one"}
        first = await admin.post(f"{path}/acknowledge", json={"note": "On my way."}, headers=key)
        assert (first.status_code, first.json()["response"]) == (200, "acknowledged")
        assert first.json()["condition"] == "active"
        again = await admin.post(f"{path}/acknowledge", json={"note": "On my way."}, headers=key)
        assert again.json()["revision"] == first.json()["revision"]
        resolved = await admin.post(f"{path}/resolve", json={"outcome": "false_alarm"})
        assert (resolved.status_code, resolved.json()["response"]) == (200, "resolved")
        refused = await admin.post(f"{path}/acknowledge")
        assert refused.status_code == 409
        assert refused.json()["error"]["code"] == "refused"
        assert (await admin.get(path)).json()["response"] == "resolved"
        assert (await admin.get("/alerts", params={"status": "open"})).json()["items"] == []


async def test_a_command_that_care_has_not_recorded_is_pending(api: RunningApi) -> None:
    """While care is away the answer is 202 with the command's id after two seconds, and the command is durable."""
    wearer = await api.wearer()
    await api.care(wearer, episode(wearer))
    partition = partition_of(wearer)
    before = (await api.reader.bounds(COMMANDS.name, partition))[1]
    async with api.client(api.admin) as admin:
        (alert,) = (await admin.get("/alerts", params={"wearer": str(wearer)})).json()["items"]
        answer = await admin.post(f"/alerts/{alert['alert_id']}/acknowledge")
    assert answer.status_code == 202
    assert answer.json()["status"] == "pending"
    assert (await api.reader.bounds(COMMANDS.name, partition))[1] == before + 1


async def test_alerts_are_seen_and_answered_only_with_their_scopes(api: RunningApi) -> None:
    """Without `act` an alert cannot be answered, without a grant it does not exist."""
    wearer = await api.wearer()
    await api.care(wearer, episode(wearer))
    _, watcher = await api.carer(wearer, "alerts")
    _, stranger = await api.carer()
    async with api.client(watcher) as sees, api.client(stranger) as strange:
        (alert,) = (await sees.get("/alerts")).json()["items"]
        path = f"/alerts/{alert['alert_id']}"
        assert (await sees.post(f"{path}/acknowledge")).status_code == 403
        assert (await strange.get(path)).status_code == 404
        assert (await strange.post(f"{path}/acknowledge")).status_code == 404
        assert (await strange.get("/alerts")).json()["items"] == []


async def test_reads_and_changes_are_in_the_audit(api: RunningApi) -> None:
    """Who read whose data stands in the audit within a moment."""
    wearer = await api.wearer()
    async with api.client(api.admin) as admin:
        me = (await admin.get("/me")).json()["user_id"]
        await admin.get(f"/wearers/{wearer}/latest")
    query = "SELECT action FROM audit WHERE subject = $1 AND user_id = $2 ORDER BY audit_id"
    async with asyncio.timeout(DEADLINE_S):
        while len(rows := await api.pool.fetch(query, f"wearer:{wearer}", UUID(me))) < 2:  # noqa: ASYNC110 - a table has no event
            await asyncio.sleep(0.05)
    assert [row["action"] for row in rows] == ["POST wearers", "GET latest"]


async def test_the_service_describes_itself_and_is_ready(api: RunningApi) -> None:
    """Programs get JSON, browsers the application; ready names the core parts with their latency."""
    async with api.client(None) as anyone:
        described = await anyone.get("/")
        assert described.json()["service"] == "Pulsera"
        browser = await anyone.get("/", headers={"Accept": "text/html"})
        assert (browser.status_code, browser.headers["location"]) == (307, "/app/")
        page = await anyone.get("/app/some/page")
        assert page.status_code == 200
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert (await anyone.get("/app/missing.js")).status_code == 404
        ready = await anyone.get("/ready")
        assert ready.status_code == 200, ready.text
        parts = ready.json()["components"]
        for name in ("database", "kafka"):
            assert parts[name]["state"] == "up"
            assert parts[name]["latency_ms"] >= 0
        assert "process_cpu_seconds_total" in (await anyone.get("/metrics")).text


async def test_the_documentation_needs_nothing_from_elsewhere(api: RunningApi) -> None:
    """Every route tells its errors, its parameters and who may call it; the page loads nothing from another host."""
    async with api.client(None) as anyone:
        page = await anyone.get("/docs")
        schema = (await anyone.get("/openapi.json")).json()
    assert page.status_code == 200
    assert "/wearers/{wearer_id}/readings" in page.text
    assert not re.search(r"(?:src|href|action)\s*=\s*[\"']?\w*:?//|url\(|@import", page.text)
    assert len(schema["paths"]) >= 23
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert operation["description"], path
            assert (operation["security"] == []) is (path in PUBLIC_PATHS)
            assert all(parameter.get("description") for parameter in operation.get("parameters", [])), path
            shape = operation["responses"]["503"]["content"]["application/json"]["schema"]["$ref"]
            assert shape.endswith("DetailShape" if path in ALIASES else "ErrorShape")


async def test_the_live_client_of_the_documentation_works(api: RunningApi) -> None:
    """The client printed in docs/protocol.md, run as it is, prints an alert."""
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    code = text.split("## Live socket")[1].split("```python")[1].split("```")[0]
    wearer = await api.wearer()
    await api.care(wearer, episode(wearer))
    url = f"ws://{api.host}/live"
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", code, url, api.admin, stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    try:
        line = await asyncio.wait_for(client.stdout.readline(), DEADLINE_S)
    finally:
        client.kill()
        await client.communicate()
    assert b"active unseen" in line


async def test_whoever_answers_an_alert_may_see_it(api: RunningApi) -> None:
    """`act` alone, as earlier releases granted it, neither shows an alert nor answers it: the answer would show it."""
    wearer = await api.wearer()
    await api.care(wearer, episode(wearer))
    user, blind = await api.carer(wearer, "alerts", "act")
    await api.pool.execute("UPDATE grants SET scopes = '{act}' WHERE user_id = $1", user)
    await api.carer(wearer, "readings")  # grants are read again with each that is written
    async with api.client(blind) as carer, api.client(api.admin) as admin:
        (alert,) = (await admin.get("/alerts", params={"wearer": str(wearer)})).json()["items"]
        refused = await carer.post(f"/alerts/{alert['alert_id']}/acknowledge")
        assert refused.status_code == 403
        assert "scope alerts" in refused.json()["error"]["message"]


async def test_a_request_that_nothing_can_answer_is_never_our_fault(api: RunningApi) -> None:
    """Times, cursors, texts and bodies from beyond what can be kept are refused in the one shape."""
    wearer = await api.wearer()
    async with api.client(api.admin) as admin:
        answers = [
            await admin.get(f"/wearers/{wearer}/readings", params={"to": "0001-01-01T00:00:00Z"}),
            await admin.get(f"/wearers/{wearer}/scores", params={"to": "9999-12-31T23:59:59-23:59"}),
            await admin.get(f"/wearers/{wearer}/readings", params={"cursor": page_cursor("readings", 0, 2**63)}),
            await admin.get("/alerts", params={"cursor": page_cursor("alerts", 0, 5)}),
            await admin.post("/wearers", json={"name": "a\0"}),
            await admin.post(f"/wearers/{wearer}/devices", json={"model": "\0"}),
            await admin.post("/wearers", content=b"{bad", headers={"Content-Type": "application/json"}),
        ]
    assert [answer.status_code for answer in answers] == [422] * len(answers)
    assert all(set(answer.json()["error"]) == {"code", "message", "details"} for answer in answers)
    assert answers[-1].json()["error"]["details"]["field"] == "body"


async def test_what_concerns_a_wearer_is_kept_by_no_cache(api: RunningApi) -> None:
    """Data is sent with `no-store`; a monitor may ask for the head of what says whether we are well."""
    wearer = await api.wearer()
    async with api.client(api.admin) as admin:
        assert (await admin.get(f"/wearers/{wearer}/latest")).headers["Cache-Control"] == "no-store"
        assert [(await admin.head(path)).status_code for path in ("/", "/health", "/ready", "/metrics")] == [200] * 4

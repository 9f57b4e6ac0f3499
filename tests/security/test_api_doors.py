"""The API as somebody meets it who means harm: sign-in, cookies, headers, paths, bodies, slow clients, others' keys."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from api import body_limit
from api.attempts import BURST, Attempts
from api.callers import COOKIE
from api.errors import SAFE_HEADERS
from infra import http_protocol
from infra.api_process import Front, serve, utc_now
from infra.timescale.people import SessionTable
from schemas.topics import COMMANDS, partition_of
from tests.api_server import RunningApi, episode, running_api
from tests.raw_sockets import closed
from tests.security.doors import get, raw

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]


@asynccontextmanager
async def _own_api(postgres_dsn: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    name = f"doors_{uuid4().hex}"
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    try:
        async with running_api(f"{postgres_dsn.rsplit('/', 1)[0]}/{name}", kafka_bootstrap) as running:
            yield running
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(postgres_dsn: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """A served API for nearly all tests here, on a database of its own."""
    async with _own_api(postgres_dsn, kafka_bootstrap) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def api_to_stop(postgres_dsn: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """An API for one test alone: a server that stops drains the hub of its process for good."""
    async with _own_api(postgres_dsn, kafka_bootstrap) as running:
        yield running


@pytest.fixture
def api(served: RunningApi) -> RunningApi:
    """The API, with nobody's attempts counted yet."""
    served.process.app.state.attempts = Attempts(time.monotonic)
    return served


async def admin_id(api: RunningApi) -> UUID:
    """Return the admin's id."""
    async with api.client(api.admin) as admin:
        return UUID((await admin.get("/me")).json()["user_id"])


async def test_guessing_codes_is_slowed_down(api: RunningApi) -> None:
    """After a burst of wrong codes the address is answered 429 with a time to wait, and a good token still works."""
    async with api.client(None) as guesser:
        answers = [await guesser.post("/sign-in", json={"code": f"guess {number}"}) for number in range(BURST + 3)]
        assert [answer.status_code for answer in answers] == [401] * BURST + [429] * 3
        assert answers[-1].json()["error"]["code"] == "too_many_attempts"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert (await guesser.post("/sign-in", json={"token": "wrong"})).status_code == 429
    async with api.client(api.admin) as admin:
        assert (await admin.get("/me")).status_code == 200


async def test_many_guesses_at_once_are_slowed_down_too(api: RunningApi) -> None:
    """Guesses that are sent together are counted before any of them is answered."""
    async with api.client(None) as guesser:
        asked = [guesser.post("/sign-in", json={"code": f"guess {number}"}) for number in range(3 * BURST)]
        answers = await asyncio.gather(*asked)
    assert sum(answer.status_code == 401 for answer in answers) <= BURST + 1


async def test_a_sign_in_code_works_once_and_not_for_long(api: RunningApi) -> None:
    """A code signs in once; used again, or past its time, it is refused like a code that never was."""
    sessions, user = SessionTable(api.pool, utc_now), await admin_id(api)
    good, old = await sessions.issue(user, lifetime_s=60), await sessions.issue(user, lifetime_s=-1)
    async with api.client(None) as client:
        assert (await client.post("/sign-in", json={"code": good})).status_code == 200
        refused = [await client.post("/sign-in", json={"code": code}) for code in (good, old, "never was")]
    assert {answer.status_code for answer in refused} == {401}
    assert len({answer.json()["error"]["message"] for answer in refused}) == 1


async def test_a_code_that_two_use_at_once_lets_one_in(api: RunningApi) -> None:
    """Of two who send the same code together one is signed in."""
    code = await SessionTable(api.pool, utc_now).issue(await admin_id(api), lifetime_s=60)
    async with api.client(None) as one, api.client(None) as other:
        answers = await asyncio.gather(*(who.post("/sign-in", json={"code": code}) for who in (one, other)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(api: RunningApi) -> None:
    """The cookie is HttpOnly and SameSite=strict, and the token is nowhere but in it."""
    async with api.client(None) as client:
        answer = await client.post("/sign-in", json={"token": api.admin})
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    token = answer.cookies[COOKIE]
    assert token != api.admin
    assert token not in answer.text


async def test_a_change_with_a_cookie_must_come_from_our_own_pages(api: RunningApi) -> None:
    """A change with a cookie and without our own Origin is refused, whatever the page says it is."""
    async with api.client(None) as client:
        assert (await client.post("/sign-in", json={"token": api.admin})).status_code == 200
        for origin in (None, "null", "http://evil.example", "https://", "http://[", "javascript:alert(1)"):
            headers = {} if origin is None else {"Origin": origin}
            refused = await client.post("/wearers", json={"name": "Eve"}, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden"), origin
        ours = await client.post("/wearers", json={"name": "Ada"}, headers={"Origin": f"http://{api.host}"})
        assert ours.status_code == 201


async def test_another_site_s_page_opens_no_live_socket(api: RunningApi) -> None:
    """With a good cookie or token a page of another origin is refused at the handshake, our own is let in."""
    async with api.client(None) as client:
        cookie = (await client.post("/sign-in", json={"token": api.admin})).cookies[COOKIE]
    ask = (
        "GET /live HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: pulsera.live.v1+json\r\n"
        "Cookie: {name}={cookie}\r\nOrigin: {origin}\r\n\r\n"
    )
    for origin in (
        "http://evil.example",
        "null",
        f"http://{api.host}.evil.example",
        f"https://{api.host}@evil.example",
    ):
        request = ask.format(host=api.host, name=COOKIE, cookie=cookie, origin=origin)
        assert (await raw(api.host, request.encode())).status == 403, origin
    async with api.live(api.admin, origin=f"http://{api.host}") as socket:
        await socket.ping()


async def test_every_answer_says_that_it_is_data(api: RunningApi) -> None:
    """Answers of every kind, errors included, forbid a browser to sniff, run, frame or lend them."""
    wearer = await api.wearer("<script>alert(1)</script>")
    paths = ["/", "/health", "/ready", "/metrics", "/docs", "/openapi.json", "/me", "/nowhere", "/wearers",
             f"/wearers/{wearer}", f"/wearers/{uuid4()}/latest", "/alerts?limit=0", "/app", "/app/", "/app/app.js",
             "/app/none.js"]  # fmt: skip
    async with api.client(api.admin) as admin:
        for path in paths:
            answer = await admin.get(path)
            for name in SAFE_HEADERS:
                assert answer.headers.get(name), f"{path} lacks {name}"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
            assert "server" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers
        assert (await admin.get(f"/wearers/{wearer}")).headers["content-type"] == "application/json"


async def test_a_page_may_talk_to_this_server_alone(api: RunningApi) -> None:
    """The policy of the pages names this server's sockets; a Host that is no name gets into no header."""
    answer = await raw(api.host, get("/app/", "care.example:8443"))
    assert (
        "connect-src 'self' ws://care.example:8443 wss://care.example:8443;"
        in answer.headers["content-security-policy"]
    )
    assert "unsafe" not in answer.headers["content-security-policy"]
    for host in ("evil.example; script-src *", "a b", "x" * 300, "*"):
        answer = await raw(api.host, get("/app/", host))
        assert "evil" not in answer.headers.get("content-security-policy", "")
        assert " ws:" not in answer.headers.get("content-security-policy", "")


PATHS = (
    "/app/../app.py", "/app/..%2fapp.py", "/app/%2e%2e/app.py", "/app/..%5c..%5capp.py", "/app//etc/passwd",
    "/app/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/app/....//....//etc/passwd", "/app/%00", "/app/a%00.js",
    "/app/%ff%fe", "/app/" + "a" * 3_000, "/app/" + "../" * 40 + "etc/passwd", "/app/~root/.ssh/id",
)  # fmt: skip


async def test_no_path_leads_out_of_the_folder_of_the_pages(api: RunningApi) -> None:
    """Whatever a path holds, it gives a page of ours or none, and never a fault of ours."""
    index = (Path(__file__).parents[2] / "api" / "web" / "index.html").read_bytes()
    for path in PATHS:
        answer = await raw(api.host, get(path))
        assert answer.status in {200, 307, 400, 404}, path
        assert b"root:" not in answer.body, path
        assert answer.status != 200 or answer.body == index, path


async def cut_off(reader: asyncio.StreamReader) -> None:
    """Return when the other side has ended the connection in some way."""
    with contextlib.suppress(ConnectionResetError):
        while await reader.read(4_096):
            pass


async def test_a_head_that_never_ends_is_cut_off(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects and says nothing, or never finishes a head, is cut off; on a used connection too."""
    monkeypatch.setattr(http_protocol, "HEAD_WITHIN_S", 0.3)
    whole = get("/health").replace(b"Connection: close\r\n", b"")
    for before, data in ((b"", b""), (b"", b"GET /health HTTP/1.1\r\nHost: he"), (whole, b"GET /he")):
        name, _, port = api.host.rpartition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        if before:
            writer.write(before)
            await reader.readuntil(b"}")
        writer.write(data)
        async with asyncio.timeout(5):
            await cut_off(reader)
        await closed(writer)


async def test_a_body_that_never_comes_is_given_up(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever announces a body and does not send it is answered 408."""
    monkeypatch.setattr(body_limit, "WHOLE_WITHIN_S", 0.3)
    head = f"POST /sign-in HTTP/1.1\r\nHost: {api.host}\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n"
    answer = await raw(api.host, head.encode() + b'{"code":', within_s=5)
    assert (answer.status, answer.json()["error"]["code"]) == (408, "too_slow")


async def test_sizes_are_limited(api: RunningApi) -> None:
    """Head, path, query, body, names, keys and lists have a limit, beyond which a request is refused by its sender."""
    big = "x" * 20_000
    for request in (get(f"/{big}"), get(f"/alerts?cursor={big}"), get("/health", X_Big=big)):
        assert (await raw(api.host, request)).status in {400, 413, 414, 431}
    wearer = await api.wearer()
    async with api.client(api.admin) as admin:
        refused = [
            await admin.post("/wearers", json={"name": "x" * 201}),
            await admin.post("/wearers", json={"name": "x", "profile": {str(n): n for n in range(65)}}),
            await admin.post(f"/wearers/{wearer}/devices", json={"model": "x" * 201}),
            await admin.get(f"/wearers/{wearer}/readings", params={"limit": 5_001}),
            await admin.get("/alerts", params={"cursor": "x" * 401}),
            await admin.post("/sign-in", json={"code": "x" * 201}),
        ]
        assert [answer.status_code for answer in refused] == [422] * len(refused)
        assert (await admin.post("/wearers", content=b"{" + b" " * 70_000)).status_code == 413


UNSTORABLE: list[bytes] = [
    b'{"name":"x","profile":{"a":"\\ud800"}}',
    b'{"name":"\\ud800"}',
    b'{"name":"x","profile":{"\\udc00":1}}',
    b'{"name":"x","profile":{"a":' + b"[" * 40 + b"]" * 40 + b"}}",
    b'{"name":"x","profile":{"a":123456789012345678901234567890}}',
    b'{"name":"x","profile":{"a":1e999}}',
    b'{"name":"x\\u0000"}',
    b"[" * 30_000,
    b'{"name":' + b"9" * 20_000 + b"}",
    b'{"name":"\xff"}',
    b"\x00",
]


async def test_what_cannot_be_kept_is_refused(api: RunningApi) -> None:
    """A body that the database or JSON cannot hold is the sender's fault, and says so in the one shape."""
    async with api.client(api.admin) as admin:
        for body in UNSTORABLE:
            answer = await admin.post("/wearers", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code in {400, 422}, body[:60]
            assert set(answer.json()["error"]) == {"code", "message", "details"}


async def test_a_fault_of_ours_tells_nothing_of_its_inside(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error becomes a 500 in the one shape, without its words, its place or its values."""

    async def fail(*_: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("infra.timescale.people.PeopleTable.wearers", fail)
    transport = httpx.ASGITransport(app=api.process.app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {api.admin}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
        answer = await client.get("/wearers")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_idempotency_key_is_its_user_s_own(api: RunningApi) -> None:
    """Two users with one key are two answers, one user's repeat is the same, and another alert is another command."""
    wearer = await api.wearer()
    await api.care(wearer, episode(wearer), episode(wearer, minute=5))
    one, other = [(await api.carer(wearer, "alerts", "act"))[1] for _ in range(2)]
    partition = partition_of(wearer)
    start = (await api.reader.bounds(COMMANDS.name, partition))[1]
    asked: list[tuple[str, str]] = []
    async with api.client(api.admin) as admin:
        alerts = [item["alert_id"] for item in (await admin.get("/alerts")).json()["items"]]
    for token, alert in ((one, alerts[0]), (one, alerts[0]), (other, alerts[0]), (one, alerts[1])):
        async with api.client(token) as client:
            answer = await client.post(f"/alerts/{alert}/acknowledge", headers={"Idempotency-Key": "same"})
            assert answer.status_code == 202
            asked.append((alert, answer.json()["command_id"]))
    assert asked[0] == asked[1]
    assert len({command for _, command in asked}) == 3
    end = (await api.reader.bounds(COMMANDS.name, partition))[1]
    sent = [record async for records in api.reader.read(COMMANDS.name, partition, start, end) for record in records]
    assert len({json.loads(record.value)["command_id"] for record in sent}) == 3


async def test_reads_are_in_the_audit(api: RunningApi) -> None:
    """Who looked at a wearer, their devices or their carers is written down, and so is a list of everybody."""
    wearer = await api.wearer()
    async with api.client(api.admin) as admin:
        for path in ("", "/devices", "/carers", "/latest", "/readings", "/scores", "/episodes"):
            assert (await admin.get(f"/wearers/{wearer}{path}")).status_code == 200
        assert (await admin.get("/wearers")).status_code == 200
        assert (await admin.get("/alerts")).status_code == 200
    await api.process.app.state.ports.audit.flush()
    rows = await api.pool.fetch("SELECT action FROM audit WHERE subject = $1 OR subject IS NULL", f"wearer:{wearer}")
    noted = {row["action"] for row in rows}
    expected = {"wearer", "wearers", "devices", "carers", "latest", "readings", "scores", "episodes", "alerts"}
    assert {f"GET {one}" for one in expected} <= noted


async def test_forwarded_headers_are_believed_from_named_proxies_alone(api_to_stop: RunningApi) -> None:
    """Without a trusted proxy nobody can say that he came by TLS or from elsewhere; with one the cookie is Secure."""
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"}
    async with api_to_stop.client(None) as client:
        plain = await client.post("/sign-in", json={"token": api_to_stop.admin}, headers=forwarded)
    assert "secure" not in plain.headers["set-cookie"].lower()
    assert "strict-transport-security" not in plain.headers
    stop, listening = asyncio.Event(), socket.create_server(("127.0.0.1", 0))
    host = f"http://127.0.0.1:{listening.getsockname()[1]}"
    serving = asyncio.create_task(serve(api_to_stop.process, listening, stop, front=Front(trusted_proxies="127.0.0.1")))
    async with httpx.AsyncClient(base_url=host) as client:
        behind = await client.post("/sign-in", json={"token": api_to_stop.admin}, headers=forwarded)
        assert "secure" in behind.headers["set-cookie"].lower()
        assert "strict-transport-security" in behind.headers
        downgraded = {**forwarded, "Origin": host, "Cookie": f"{COOKIE}={behind.cookies[COOKIE]}"}
        refused = await client.post("/wearers", json={"name": "Eve"}, headers=downgraded)
        assert refused.status_code == 403
        secure = {**downgraded, "Origin": host.replace("http", "https")}
        assert (await client.post("/wearers", json={"name": "Ada"}, headers=secure)).status_code == 201
    stop.set()
    await serving

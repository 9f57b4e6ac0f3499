"""The live socket over a real uvicorn, with a real Kafka and PostgreSQL behind it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from api.cursors import log_cursor
from api.live.hub import seal_of
from api.live.socket import MOST_MESSAGE_BYTES
from infra.timescale.care import raise_generation
from schemas.topics import ALERTS, partition_of
from tests.api_server import DEADLINE_S, LIVE, RunningApi, episode, frame, running_api, subscribe, told

pytestmark = pytest.mark.connected


@pytest.fixture
async def api(database_url: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """A served API."""
    async with running_api(database_url, kafka_bootstrap) as served:
        yield served


async def closed(socket: ClientConnection) -> int | None:
    """Return the code with which the server closes the socket."""
    async with asyncio.timeout(DEADLINE_S):
        await socket.wait_closed()
    return socket.close_code


async def test_who_has_no_token_is_refused_at_the_handshake(api: RunningApi) -> None:
    """No token and a wrong one are HTTP 401, a page of another origin 403, a missing subprotocol 400."""
    for live, status in (
        (api.live(None), 401),
        (api.live("wrong"), 401),
        (api.live(api.admin, origin="http://elsewhere.example"), 403),
        (api.live(api.admin, protocols=["other"]), 400),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await live.__aenter__()
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body)["error"]["code"]


async def test_a_browser_gives_its_token_as_a_subprotocol(api: RunningApi) -> None:
    """The token in a second subprotocol lets in, and is not echoed."""
    async with api.live(None, protocols=[LIVE, f"pulsera.token.{api.admin}"], origin=f"http://{api.host}") as socket:
        assert socket.subprotocol == LIVE
        snapshot = await subscribe(socket, 1, "alerts")
        assert snapshot["data"] == []


async def test_a_snapshot_and_the_updates_after_it_leave_no_gap(api: RunningApi) -> None:
    """What storage had written is in the snapshot, what it had not is an update, each once."""
    wearer = await api.wearer()
    first = frame(wearer, {"at": 0, "heart_rate": 70.0, "spo2": 97.0})
    second = frame(wearer, {"at": 1, "heart_rate": 71.0})
    third = frame(wearer, {"at": 2, "heart_rate": 72.0})
    stored_up_to = await api.append(wearer, first)
    await api.store(wearer, first, following=stored_up_to)
    following = await api.append(wearer, second)
    recent = api.process.hub.recent
    while (recent.positions("readings.v1").get(partition_of(wearer)) or 0) < following:  # noqa: ASYNC110 - the hub has no event
        await asyncio.sleep(0.01)
    async with api.live(api.admin) as socket:
        snapshot = await subscribe(socket, 1, "readings", wearer=wearer)
        assert [one["heart_rate"] for one in snapshot["data"]] == [70.0]
        assert "behind_s" not in snapshot
        update = await told(socket, lambda message: message["type"] == "update")
        assert (update["id"], update["data"]["heart_rate"]) == (1, 71.0)
        await api.append(wearer, third)
        update = await told(socket, lambda message: message["type"] == "update")
        assert update["data"]["heart_rate"] == 72.0
        assert update["data"]["time"] == "2026-11-21T08:00:02.000Z"
        assert update["data"]["source"] == "watch"
        assert "spo2" not in update["data"]


async def test_nobody_is_told_of_a_wearer_without_a_grant(api: RunningApi) -> None:
    """A subscription to everybody holds only granted wearers, and one to a stranger is refused."""
    mine, other = await api.wearer("Ada"), await api.wearer("Eve")
    _, token = await api.carer(mine, "readings")
    async with api.live(token) as socket:
        assert (await subscribe(socket, 1, "readings", wearer=other))["code"] == "not_found"
        assert (await subscribe(socket, 2, "alerts", wearer=mine))["code"] == "forbidden"
        assert (await subscribe(socket, 3, "zones"))["data"] == []
        assert (await subscribe(socket, 5, "zones", wearer=mine))["code"] == "not_supported"
        await subscribe(socket, 4, "readings")
        await api.append(other, frame(other, {"at": 0, "heart_rate": 60.0}))
        await api.append(mine, frame(mine, {"at": 0, "heart_rate": 70.0}))
        update = await told(socket, lambda message: message["type"] == "update")
        assert update["data"]["wearer_id"] == str(mine)


async def test_a_withdrawn_grant_ends_the_subscription_within_five_seconds(api: RunningApi) -> None:
    """Whoever loses the grant hears so, and hears nothing more."""
    wearer = await api.wearer()
    user, token = await api.carer(wearer, "readings")
    async with api.live(token) as socket:
        await subscribe(socket, 7, "readings", wearer=wearer)
        began = time.monotonic()
        await api.pool.execute("DELETE FROM grants WHERE user_id = $1", user)
        error = await told(socket, lambda message: message["type"] == "error")
        assert (error["id"], error["code"]) == (7, "grant_withdrawn")
        assert await told(socket, lambda message: message["type"] == "unsubscribed") == {
            "type": "unsubscribed",
            "id": 7,
        }
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE user_tokens SET revoked_at = now() WHERE user_id = $1",
        "UPDATE users SET disabled_at = now() WHERE user_id = $1",
    ],
)
async def test_a_lost_token_or_user_closes_the_socket_within_five_seconds(api: RunningApi, change: str) -> None:
    """The socket of a revoked token or a disabled user is closed with 4401."""
    user, token = await api.carer()
    async with api.live(token) as socket:
        await subscribe(socket, 1, "readings")
        began = time.monotonic()
        await api.pool.execute(change, user)
        assert await closed(socket) == 4401
        assert time.monotonic() - began < 5


async def test_alerts_arrive_live_and_resume_from_a_cursor(api: RunningApi) -> None:
    """A client that comes back with its cursor is told every change that it missed, in order, and nothing twice."""
    wearer = await api.wearer()
    async with api.live(api.admin) as socket:
        assert (await subscribe(socket, 1, "alerts"))["data"] == []
        await api.care(wearer, episode(wearer, 0))
        update = await told(socket, lambda message: message["type"] == "update")
        assert update["data"]["subject"] == {"wearer": str(wearer)}
        assert (update["data"]["condition"], update["data"]["response"]) == ("active", "unseen")
    await api.care(wearer, episode(wearer, 1))
    await api.care(wearer, episode(wearer, 2))
    async with api.live(api.admin) as socket:
        snapshot = await subscribe(socket, 1, "alerts", since=update["cursor"])
        assert (snapshot["data"], snapshot.get("reset")) == ([], None)
        missed = [await told(socket, lambda message: message["type"] == "update") for _ in range(2)]
        assert [one["data"]["kind"] for one in missed] == ["heart_rate.high1", "heart_rate.high2"]
        again = await subscribe(socket, 2, "alerts")
        assert len(again["data"]) == 3


async def test_a_stale_cursor_gets_a_snapshot_marked_as_reset(api: RunningApi) -> None:
    """A cursor beyond the log, of another log, changed or of no meaning, and any of readings, begin anew."""
    wearer = await api.wearer()
    await api.care(wearer, episode(wearer))
    seal = seal_of(api.process.hub.log_id, [wearer.bytes])
    every = dict.fromkeys(range(12), 0)
    good = log_cursor(seal, "alerts", every)
    async with api.live(api.admin) as socket:
        refused = [
            log_cursor(seal, "alerts", dict.fromkeys(range(12), 10**9)),
            log_cursor(seal, "alerts", {0: 0}),
            log_cursor(seal_of("another cluster", [wearer.bytes]), "alerts", every),
            log_cursor(seal, "episodes", every),
            log_cursor(seal_of(api.process.hub.log_id, []), "alerts", every),
            good[:9] + ("A" if good[9] != "A" else "B") + good[10:],
            "nonsense",
        ]
        for number, cursor in enumerate(refused):
            snapshot = await subscribe(socket, number, "alerts", since=cursor)
            assert (snapshot["type"], snapshot["reset"], len(snapshot["data"])) == ("snapshot", True, 1), cursor
        for number, topic in enumerate(("readings", "scores"), start=100):
            snapshot = await subscribe(socket, number, topic, since=log_cursor(seal, topic, every))
            assert snapshot["reset"] is True


async def test_who_is_granted_while_a_client_was_away_is_told_with_what_is_open(api: RunningApi) -> None:
    """An alert that was raised before a carer might see it is not missed by one who resumes from before the grant."""
    first, second = await api.wearer(), await api.wearer("Bea")
    user, token = await api.carer(first, "alerts")
    await api.care(second, episode(second))
    async with api.live(token) as socket:
        before = await subscribe(socket, 1, "alerts")
    assert before["data"] == []
    async with api.client(api.admin) as admin:
        answer = await admin.put(f"/wearers/{second}/carers/{user}", json={"scopes": ["alerts"]})
        assert answer.status_code == 204
    async with api.live(token) as socket:
        snapshot = await subscribe(socket, 1, "alerts", since=before["cursor"])
        assert (snapshot["reset"], [one["subject"] for one in snapshot["data"]]) == (True, [{"wearer": str(second)}])


async def test_a_cursor_older_than_the_log_gets_a_snapshot_marked_as_reset(
    database_url: str, kafka_bootstrap: str
) -> None:
    """Once retention has taken what a cursor stands at, the whole state is told instead."""
    async with running_api(database_url, kafka_bootstrap) as api:
        wearer = await api.wearer()
        partition = partition_of(wearer)
        async with api.live(api.admin) as socket:
            cursor = (await subscribe(socket, 1, "alerts"))["cursor"]
        await api.care(wearer, episode(wearer, 0))
        await api.care(wearer, episode(wearer, 1))
        _, end = await api.reader.bounds(ALERTS.name, partition)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(ALERTS.name, partition): RecordsToDelete(before_offset=end)})
    finally:
        await admin.close()
    async with running_api(database_url, kafka_bootstrap, token=api.admin) as api, api.live(api.admin) as socket:
        snapshot = await subscribe(socket, 1, "alerts", since=cursor)
        assert (snapshot["reset"], len(snapshot["data"])) == (True, 2)


async def test_a_cursor_resumes_after_a_restart_and_at_another_process(database_url: str, kafka_bootstrap: str) -> None:
    """What a client missed of alerts and episodes comes once and in order from a process that gave no such cursor."""
    async with running_api(database_url, kafka_bootstrap) as api:
        wearer = await api.wearer()
        cursors: dict[str, str] = {}
        async with api.live(api.admin) as socket:
            for number, topic in enumerate(("alerts", "episodes")):
                cursors[topic] = (await subscribe(socket, number, topic))["cursor"]
    async with (
        running_api(database_url, kafka_bootstrap, token=api.admin) as api,
        running_api(database_url, kafka_bootstrap, token=api.admin) as other,
    ):
        for minute in range(3):
            await api.care(wearer, episode(wearer, minute))
            await api.tell(episode(wearer, minute))
        for process in (api, other, api):
            async with process.live(api.admin) as socket:
                for number, topic in enumerate(cursors):
                    snapshot = await subscribe(socket, number, topic, since=cursors[topic])
                    assert (snapshot["data"], snapshot.get("reset")) == ([], None)
                    updates = [await told(socket, lambda one: one["type"] == "update") for _ in range(3)]
                    named = [one["data"]["condition" if topic == "episodes" else "kind"] for one in updates]
                    assert named == [f"heart_rate.high{minute}" for minute in range(3)]


async def test_a_cursor_from_before_a_restore_is_told_what_came_after_it(api: RunningApi) -> None:
    """A restored database writes its alerts again under higher revisions; who resumes hears them and ends up right."""
    wearer = await api.wearer()
    async with api.live(api.admin) as socket:
        cursor = (await subscribe(socket, 1, "alerts"))["cursor"]
    await api.care(wearer, episode(wearer))
    async with api.pool.acquire() as connection, connection.transaction():
        # As if the database had been put back to before the alert.
        await connection.execute("SET LOCAL session_replication_role = replica")
        for table in ("alert_events", "outbox", "alerts"):
            await connection.execute(f"DELETE FROM {table}")
        await raise_generation(connection)
    await api.care(wearer, episode(wearer))
    async with api.live(api.admin) as socket:
        snapshot = await subscribe(socket, 1, "alerts", since=cursor)
        assert (snapshot["data"], snapshot.get("reset")) == ([], None)
        before, after = [await told(socket, lambda one: one["type"] == "update") for _ in range(2)]
        assert before["data"]["alert_id"] == after["data"]["alert_id"]
        assert before["data"]["revision"] < after["data"]["revision"]


async def test_a_message_that_is_too_long_closes_the_socket(api: RunningApi) -> None:
    """A message over 64 KiB is not read: the socket closes with 1009, and not with 4413, which asks to resume."""
    async with api.live(api.admin) as socket:
        await socket.send("x" * (MOST_MESSAGE_BYTES + 1))
        assert await closed(socket) == 1009


async def test_a_message_that_is_not_understood_is_answered_by_name(api: RunningApi) -> None:
    """An unknown type is refused and the socket stays; what is not JSON closes it with 4400."""
    async with api.live(api.admin) as socket:
        await socket.send('{"type":"dance","id":5}')
        error = await told(socket, lambda message: message["type"] == "error")
        assert (error["id"], error["code"]) == (5, "not_supported")
        await socket.send("{")
        assert await closed(socket) == 4400


async def test_a_stopping_server_sends_its_clients_elsewhere(api: RunningApi) -> None:
    """A drained socket is closed with 4503."""
    async with api.live(api.admin) as socket:
        await subscribe(socket, 1, "alerts")
        api.stop.set()
        assert await closed(socket) == 4503


async def test_a_new_grant_joins_a_subscription_to_everybody(api: RunningApi) -> None:
    """A wearer granted while somebody listens to everybody comes with a new snapshot."""
    user, token = await api.carer()
    wearer = await api.wearer()
    first = frame(wearer, {"at": 0, "heart_rate": 70.0})
    await api.store(wearer, first, following=await api.append(wearer, first))
    async with api.live(token) as socket, api.client(api.admin) as admin:
        assert (await subscribe(socket, 1, "readings"))["data"] == []
        await admin.put(f"/wearers/{wearer}/carers/{user}", json={"scopes": ["readings"]})
        snapshot = await told(socket, lambda message: message["type"] == "snapshot")
        assert snapshot["reset"] is True
        assert snapshot["data"][0]["wearer_id"] == str(wearer)

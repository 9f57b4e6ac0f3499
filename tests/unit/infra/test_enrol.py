"""Finding a running system, and making wearers and devices in it."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from infra.enrol import (
    Enrolled,
    System,
    api_client,
    device_of,
    device_socket,
    enrol,
    find_system,
    make_zones,
    newest_ms,
    other_outlines,
)
from infra.settings import Settings
from schemas.errors import SetupError

RUN = {"api": "http://127.0.0.1:1", "gateway": "ws://127.0.0.1:2", "pids": {"api": 1}}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data folder, and an environment that names no system."""
    for name in ("API_URL", "GATEWAY_URL", "ADMIN_TOKEN"):
        monkeypatch.delenv(f"PULSERA_{name}", raising=False)
    monkeypatch.setenv("PULSERA_DATA_DIR", str(tmp_path))
    return tmp_path


class Api:
    """An API with wearers in memory; lists them one a page."""

    def __init__(self, *names: str) -> None:
        self.wearers = {name: f"id-{place}" for place, name in enumerate(names)}
        self.devices: list[tuple[str, str]] = []
        self.latest: dict[str, str] = {}
        self.listed: list[dict[str, str | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        body = json.loads(request.content or b"{}")
        if request.url.path.endswith("/latest"):
            return httpx.Response(200, json={"time": self.latest.get(request.url.path.split("/")[2])})
        if request.method == "GET" and request.url.path.endswith("/devices"):
            return httpx.Response(200, json={"items": self.listed})
        if request.method == "GET":
            place = int(request.url.params.get("cursor", 0))
            page = [{"name": name, "wearer_id": self.wearers[name]} for name in list(self.wearers)[place : place + 1]]
            return httpx.Response(
                200, json={"items": page, "cursor": str(place + 1) if place + 1 < len(self.wearers) else None}
            )
        if request.url.path == "/wearers":
            self.wearers[body["name"]] = f"id-{len(self.wearers)}"
            return httpx.Response(201, json={"wearer_id": self.wearers[body["name"]], "name": body["name"]})
        self.devices.append((request.url.path.split("/")[2], body["model"]))
        return httpx.Response(201, json={"device_id": "d", "token": f"token-{len(self.devices)}"})


def enrolled(answer: object, *names: str) -> list[str]:
    """Return the tokens that an API behind `answer` gives for the names."""

    async def run() -> list[str]:
        transport = httpx.MockTransport(answer)  # type: ignore[arg-type]  # any callable of this shape
        async with httpx.AsyncClient(transport=transport, base_url="http://pulsera") as http:
            return await enrol(http, names, model="watch")

    return asyncio.run(run())


def test_a_wearer_that_exists_is_used_again() -> None:
    """A name on the second page of the list gets a new device and no second wearer."""
    api = Api("Anna", "Demo wearer")
    assert enrolled(api, "Demo wearer") == ["token-1"]
    assert api.devices == [("id-1", "watch")]
    assert list(api.wearers) == ["Anna", "Demo wearer"]


def placed(api: Api, name: str, kept: Enrolled | None) -> Enrolled:
    """Return the device that a replay of this wearer sends as."""

    async def run() -> Enrolled:
        async with httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://pulsera") as http:
            return await device_of(http, name, model="watch", kept=kept)

    return asyncio.run(run())


def test_a_device_that_is_kept_is_used_again_while_it_is_good() -> None:
    """A kept device that the wearer still has is used; a revoked one, or another wearer's, gives way to a new one."""
    api = Api("Demo wearer")
    kept = Enrolled(wearer_id="id-0", device_id="d", token="kept")  # noqa: S106 - made up
    api.listed = [{"device_id": "d", "revoked_at": None}]
    assert placed(api, "Demo wearer", kept) == kept
    api.listed = [{"device_id": "d", "revoked_at": "2026-11-21T08:00:00.000Z"}]
    assert placed(api, "Demo wearer", kept).token == "token-1"  # noqa: S105 - made up
    api.listed = [{"device_id": "d", "revoked_at": None}]
    assert placed(api, "Somebody else", kept).wearer_id == "id-1"
    assert placed(api, "Demo wearer", None).token == "token-3"  # noqa: S105 - made up


def test_the_newest_time_of_a_wearer() -> None:
    """It is that of the latest reading, and none where there is no reading or no wearer."""
    api = Api("Ada", "Ben")
    api.latest = {"id-1": "1970-01-01T00:00:01.500Z"}

    async def asked(name: str) -> int | None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://pulsera") as http:
            return await newest_ms(http, name)

    assert [asyncio.run(asked(name)) for name in ("Ada", "Ben", "Cem")] == [None, 1_500, None]


def test_wearers_that_do_not_exist_are_made() -> None:
    """Each new name becomes a wearer with one device, in order."""
    api = Api()
    assert enrolled(api, "One", "Two") == ["token-1", "token-2"]
    assert api.devices == [("id-0", "watch"), ("id-1", "watch")]


def test_a_refusal_says_what_the_api_said() -> None:
    """The API's own sentence is in the error, with the next step."""

    def refuse(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, json={"error": {"code": "forbidden", "message": "Admins only.", "details": {}}})

    with pytest.raises(SetupError, match=r"HTTP 403: Admins only\. Check"):
        enrolled(refuse, "One")


def test_a_refusal_without_a_sentence_is_still_told() -> None:
    """An answer that is not ours is told by its status."""
    with pytest.raises(SetupError, match="HTTP 502: Bad Gateway"):
        enrolled(lambda _request: httpx.Response(502, text="<html>"), "One")


def test_a_zone_that_would_cross_another_is_left_out() -> None:
    """Zones that are there or can be made are told of; one that crosses is not; any other refusal ends it."""
    refusals = {"crossing": (409, "crosses")}

    def api(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"items": [{"zone_id": "there"}]})
        status, code = refusals.get(json.loads(request.content)["zone_id"], (201, ""))
        return httpx.Response(status, json={"error": {"code": code, "message": "No."}})

    async def made() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://pulsera") as http:
            return await make_zones(http, {name: (name, [1]) for name in ("there", "crossing", "new")})

    assert asyncio.run(made()) == ["there", "new"]
    refusals["new"] = (403, "forbidden")
    with pytest.raises(SetupError, match="HTTP 403: No"):
        asyncio.run(made())


def test_an_api_that_is_away_is_one_sentence() -> None:
    """A refused connection names the address and the next step."""

    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(SetupError, match=r"pulsera cannot be reached.*pulsera up"):
        enrolled(away, "One")


def test_the_running_system_is_found_in_its_data_folder(bare: Path) -> None:
    """Without variables, `run.json` and `admin-token` of the data folder name the system and its device socket."""
    (bare / "run.json").write_text(json.dumps(RUN))
    (bare / "admin-token").write_text("secret")
    assert find_system(Settings()) == System(
        api_url="http://127.0.0.1:1",
        gateway_url="ws://127.0.0.1:2/devices/stream",
        admin_token="secret",  # noqa: S106 - a test's
    )


def test_the_environment_goes_before_the_data_folder(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables name another system than the one that runs on the data folder."""
    (bare / "run.json").write_text(json.dumps(RUN))
    (bare / "admin-token").write_text("secret")
    monkeypatch.setenv("PULSERA_API_URL", "https://elsewhere")
    monkeypatch.setenv("PULSERA_GATEWAY_URL", "wss://elsewhere/devices/stream")
    monkeypatch.setenv("PULSERA_ADMIN_TOKEN", "another")
    assert find_system(Settings()) == System(
        api_url="https://elsewhere",
        gateway_url="wss://elsewhere/devices/stream",
        admin_token="another",  # noqa: S106 - a test's
    )


def test_the_token_of_this_computer_goes_nowhere_else(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API named by the environment is not given the admin token that lies in the data folder."""
    (bare / "run.json").write_text(json.dumps(RUN))
    (bare / "admin-token").write_text("secret")
    monkeypatch.setenv("PULSERA_API_URL", "https://elsewhere")
    with pytest.raises(SetupError, match="PULSERA_ADMIN_TOKEN"):
        find_system(Settings())


def test_no_system_is_said_with_the_next_step(bare: Path) -> None:
    """With neither variables nor `run.json` the error says how to start or name a system."""
    assert not list(bare.iterdir())
    with pytest.raises(SetupError, match="pulsera up"):
        find_system(Settings())


def test_a_torn_run_file_is_named(bare: Path) -> None:
    """A `run.json` that cannot be read is named."""
    (bare / "run.json").write_text("{")
    with pytest.raises(SetupError, match=r"run\.json"):
        find_system(Settings())


def test_the_admin_token_is_not_shown() -> None:
    """Neither the system's text nor the settings' shows the token, and the client sends it."""
    system = System(api_url="http://a", gateway_url="ws://b", admin_token="secret")  # noqa: S106 - a test's
    assert "secret" not in repr(system)
    assert api_client(system).headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001", "127.0.0.1:8001", "ws://", ""])
def test_an_address_that_is_no_socket_is_refused(url: str) -> None:
    """The remedy shows what an address looks like."""
    with pytest.raises(SetupError, match=r"ws://127\.0\.0\.1:8001"):
        device_socket(url)


def test_zones_of_an_earlier_city_are_found_by_their_cells() -> None:
    """A zone that is there with other cells keeps them, and is named; one with the same cells is not."""
    there = {"one": ["88a", "88b"], "other": ["88c"]}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"properties": {"cells": there[request.url.path.split("/")[-1]]}})

    async def run() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://pulsera") as http:
            return await other_outlines(http, {"one": ("One", [0x88B, 0x88A]), "other": ("Other", [0x88C, 0x88D])})

    assert asyncio.run(run()) == ["other"]

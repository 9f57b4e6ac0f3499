"""Makes wearers and devices for recordings and made people, through the HTTP API like anybody else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from infra.settings import Settings
from ingest.handshake import STREAM_PATH
from schemas.errors import SetupError

_TIMEOUT_S: Final = 30.0
_NEXT_STEP: Final = (
    "Start one with `pulsera up`; PULSERA_DATA_DIR names its folder (`make run`: .pulsera). "
    "Or set PULSERA_API_URL, PULSERA_GATEWAY_URL and PULSERA_ADMIN_TOKEN, or give --url and --token of a device."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A running Pulsera: where its API and its device socket are, and the right to make wearers."""

    api_url: str
    gateway_url: str
    admin_token: str = field(repr=False)


def find_system(settings: Settings) -> System:
    """Return the system that the environment names, or else the `pulsera up` that runs on the data folder.

    Raises:
        SetupError: Neither is there.
    """
    folder = settings.data_dir
    running = {} if settings.api_url else _running(folder / "run.json")
    api_url = settings.api_url or running.get("api", "")
    gateway_url = settings.gateway_url or running.get("gateway", "")
    admin_token = settings.admin_token.get_secret_value()
    if not settings.api_url and not admin_token:
        admin_token = _read(folder / "admin-token").decode().strip()
    if not api_url or not admin_token:
        raise SetupError("No running Pulsera was found to make a wearer in.", next_step=_NEXT_STEP)
    if not gateway_url:
        raise SetupError(
            "The address of the gateway is not known.", next_step="Set PULSERA_GATEWAY_URL, or give --url."
        )
    return System(api_url=api_url, gateway_url=device_socket(gateway_url), admin_token=admin_token)


def device_socket(url: str) -> str:
    """Return the address of a gateway's device socket; the path may be left out.

    Raises:
        SetupError: It is no address of a WebSocket.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise SetupError(f"{url} is no address of a device socket.", next_step="Write one such as ws://127.0.0.1:8001.")
    return url.rstrip("/") + STREAM_PATH if parts.path in {"", "/"} else url


def api_client(system: System) -> httpx.AsyncClient:
    """Return a client of the system's API with the right to make wearers."""
    headers = {"Authorization": f"Bearer {system.admin_token}"}
    return httpx.AsyncClient(base_url=system.api_url, headers=headers, timeout=_TIMEOUT_S)


async def enrol(http: httpx.AsyncClient, names: Sequence[str], *, model: str) -> list[str]:
    """Return the token of a new device for each name; a wearer of that name is used again, or made.

    Raises:
        SetupError: The API cannot be reached, or refuses.
    """
    with _reached(http):
        wearers = await _wearers(http)
        return [(await _enrolled(http, wearers, name, model)).token for name in names]


async def make_zones(http: httpx.AsyncClient, zones: Mapping[str, tuple[str, Sequence[int]]]) -> list[str]:
    """Make the zones, given by id with name and H3 cells, that are not there; return the ids of those that then are.

    One that crosses a zone of somebody else is left out: zones are nested or apart.

    Raises:
        SetupError: The API cannot be reached, or refuses.
    """
    with _reached(http):
        there = {one["zone_id"] for one in (await _ask(http, "GET", "/community/zones"))["items"]}
        for zone_id, (name, cells) in zones.items():
            if zone_id in there:
                continue
            body = {"zone_id": zone_id, "name": name, "cells": [f"{cell:x}" for cell in cells]}
            response = await http.post("/community/zones", json=body)
            if _code(response) != "crosses":
                _answer(response, "POST", "/community/zones")
                there.add(zone_id)
    return [zone_id for zone_id in zones if zone_id in there]


async def other_outlines(http: httpx.AsyncClient, zones: Mapping[str, tuple[str, Sequence[int]]]) -> list[str]:
    """Return the ids of the zones, given by id with name and H3 cells, whose cells are others there.

    Raises:
        SetupError: The API cannot be reached, or refuses.
    """
    with _reached(http):
        there = {zone_id: await _ask(http, "GET", f"/community/zones/{zone_id}") for zone_id in zones}
    return [
        zone_id
        for zone_id, (_, cells) in zones.items()
        if set(there[zone_id]["properties"]["cells"]) != {f"{cell:x}" for cell in cells}
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A device of a wearer, and its token, which the server does not keep."""

    wearer_id: str
    device_id: str
    token: str = field(repr=False)


async def device_of(http: httpx.AsyncClient, name: str, *, model: str, kept: Enrolled | None) -> Enrolled:
    """Return the device that is kept where it is still good and the wearer's, else a new one; a wearer is made once.

    Raises:
        SetupError: The API cannot be reached, or refuses.
    """
    with _reached(http):
        wearers = await _wearers(http)
        if kept is not None and wearers.get(name) == kept.wearer_id:
            found = await _ask(http, "GET", f"/wearers/{kept.wearer_id}/devices")
            if any(one["device_id"] == kept.device_id and one["revoked_at"] is None for one in found["items"]):
                return kept
        return await _enrolled(http, wearers, name, model)


async def newest_ms(http: httpx.AsyncClient, name: str) -> int | None:
    """Return when something was measured last of the wearer of this name, in Unix ms; None where nothing was.

    Raises:
        SetupError: The API cannot be reached, or refuses.
    """
    with _reached(http):
        wearer_id = (await _wearers(http)).get(name)
        told = None if wearer_id is None else (await _ask(http, "GET", f"/wearers/{wearer_id}/latest"))["time"]
        return None if told is None else round(datetime.fromisoformat(told).timestamp() * 1000)


async def _enrolled(http: httpx.AsyncClient, wearers: dict[str, str], name: str, model: str) -> Enrolled:
    if name not in wearers:
        wearers[name] = (await _ask(http, "POST", "/wearers", {"name": name}))["wearer_id"]
    # The token of an earlier device cannot be read back.
    device = await _ask(http, "POST", f"/wearers/{wearers[name]}/devices", {"model": model})
    return Enrolled(wearer_id=wearers[name], device_id=device["device_id"], token=device["token"])


@contextmanager
def _reached(http: httpx.AsyncClient) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise SetupError(
            f"The API at {http.base_url} cannot be reached ({type(error).__name__}).", next_step=_NEXT_STEP
        ) from error


async def _wearers(http: httpx.AsyncClient) -> dict[str, str]:
    found: dict[str, str] = {}
    cursor: str | None = None
    while True:
        page = await _ask(http, "GET", "/wearers", params={"cursor": cursor} if cursor else {})
        for wearer in page["items"]:
            found.setdefault(wearer["name"], wearer["wearer_id"])
        cursor = page.get("cursor")
        if not cursor:
            return found


async def _ask(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    params: dict[str, str] | None = None,
) -> dict[str, Any]:
    return _answer(await http.request(method, path, json=body, params=params), method, path)


def _answer(response: httpx.Response, method: str, path: str) -> dict[str, Any]:
    if response.is_success:
        answer: dict[str, Any] = response.json()
        return answer
    raise SetupError(
        f"The API refused {method} {path} with HTTP {response.status_code}: {_said(response)}.",
        next_step="Check PULSERA_API_URL, and that the token is an admin's.",
    )


def _code(response: httpx.Response) -> str | None:
    """Return the code of a refusal, None of an answer and of what is no refusal of ours."""
    try:
        return None if response.is_success else str(response.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return None


def _said(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase


def _running(path: Path) -> dict[str, str]:
    data = _read(path)
    try:
        said = json.loads(data) if data else {}
    except ValueError as error:
        raise SetupError(f"{path} cannot be read: {error}.", next_step=_NEXT_STEP) from error
    return {name: value for name, value in said.items() if isinstance(value, str)} if isinstance(said, dict) else {}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}.", next_step=_NEXT_STEP) from error

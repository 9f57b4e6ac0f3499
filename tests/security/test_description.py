"""The API against its own OpenAPI description, with made requests of every kind: no fault of ours, no other answer.

The long run, against any running system:
`schemathesis run http://127.0.0.1:8000/openapi.json -H "Authorization: Bearer TOKEN" --max-examples 500`
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api import commanding
from tests.api_server import RunningApi, episode, running_api

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SEED = "20261121"
DEADLINE_S = 240.0


@pytest.fixture
async def api(database_url: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningApi]:
    """A served API with a wearer, a device, an alert and a zone; no care is behind it, for which nobody waits here."""
    monkeypatch.setattr(commanding, "WAIT_S", 0.02)
    async with running_api(database_url, kafka_bootstrap) as served:
        wearer = await served.wearer()
        await served.care(wearer, episode(wearer))
        async with served.client(served.admin) as admin:
            await admin.post(f"/wearers/{wearer}/devices", json={"model": "watch-7"})
            zone = {"zone_id": "old-town", "name": "Old town", "cells": ["881f8d4c37fffff"]}
            await admin.post("/community/zones", json=zone)
            admin_id = (await admin.get("/me")).json()["user_id"]
            grant = {"scopes": ["status", "alerts", "act"]}
            await admin.put(f"/community/zones/old-town/people/{admin_id}", json=grant)
        yield served


@pytest.mark.parametrize(("with_token", "examples"), [(True, 8), (False, 2)])
async def test_answers_are_those_of_the_description(
    api: RunningApi,
    tmp_path: Path,
    with_token: bool,  # noqa: FBT001 - a parameter of the test
    examples: int,
) -> None:
    """Made requests, with a token and without, get no 5xx, and nothing but the statuses and shapes described."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"http://{api.host}/openapi.json", "--checks", CHECKS,
        "--max-examples", str(examples), "--seed", SEED, "--phases", "examples,fuzzing",
        "--exclude-path", "/metrics", "--no-color", "--generation-database", "none",
    ]  # fmt: skip
    if with_token:
        command += ["--header", f"Authorization: Bearer {api.admin}"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = said.decode(errors="replace")
    assert process.returncode == 0, text[-6_000:]
    assert "Tested" in text or "No issues found" in text, text[-2_000:]

"""The camera page in a real Chromium whose camera plays a film: a pulse, or the reason why there is none."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, WebSocket, expect, sync_playwright

from tests.browser.chromium import PATIENCE_MS, SHOTS, SIZES, launch, signed_in
from tests.portrait.camera import NUMBERS, grey_y4m, portrait_y4m, rate_seen
from tests.portrait.renderer import Scene
from tests.running_system import RunningSystem

pytestmark = [pytest.mark.browser, pytest.mark.connected, pytest.mark.timeout(400)]

# As long as the recorded pulse, so that it goes on without a jump when the film begins anew.
SCENE = Scene(seconds=21.0, waveform="sample_video_2")
ALLOWED = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
LIT = "[...document.querySelectorAll('video')].filter((video) => video.srcObject?.active).length"
HARD = {"serious", "critical"}
WORDS = {
    "NotAllowedError": "Allow it for this page",
    "NotFoundError": "No camera was found",
    "NotReadableError": "in use by another program",
}
NOTES = """
const send = WebSocket.prototype.send;
window.sentKinds = {};
WebSocket.prototype.send = function (data) {
  const kind = typeof data === "string" ? "text" : data.constructor.name;
  window.sentKinds[kind] = (window.sentKinds[kind] ?? 0) + 1;
  return send.call(this, data);
};
"""
SHOWN = """() => {
  const [rate, sure] = ["rate", "confidence"].map((name) => document.querySelector(`[data-${name}]`)?.dataset[name]);
  return rate && sure && [Number(rate), Number(sure)];
}"""
FIRST_PULSE_MS = 120_000
"""A first heart rate needs ten seconds without a break of half a second; a busy computer may need more than one try."""
BREAK_MS = 500
LONGEST_WINDOW_MS = 24_000
KEPT = "JSON.stringify([{...localStorage}, {...sessionStorage}, location.href, document.cookie])"


@pytest.fixture(scope="module")
def driver() -> Iterator[Playwright]:
    """What drives both browsers."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def at_portrait(driver: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium in front of which somebody sits, and which asks nobody for permission."""
    film = portrait_y4m(tmp_path_factory.mktemp("films") / "portrait.y4m", SCENE)
    running = launch(driver, *ALLOWED, f"--use-file-for-fake-video-capture={film}")
    yield running
    running.close()
    film.unlink()


@pytest.fixture(scope="module")
def at_grey(driver: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium in front of a grey wall."""
    film = grey_y4m(tmp_path_factory.mktemp("films") / "grey.y4m")
    running = launch(driver, *ALLOWED, f"--use-file-for-fake-video-capture={film}")
    yield running
    running.close()
    film.unlink()


@dataclass
class Wire:
    """What a page's socket to the gateway carried."""

    sent: list[str | bytes] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def follow(self, socket: WebSocket) -> None:
        """Keep what this socket carries, if it is a device's."""
        if socket.url.endswith("/devices/stream"):
            socket.on("framesent", self._keep)
            socket.on("framereceived", lambda text: self.told.append(json.loads(text)))

    def _keep(self, data: str | bytes) -> None:
        self.sent.append(data)


@dataclass
class Sitting:
    """A page that was opened for a wearer, its socket, and the requests that it made."""

    page: Page
    context: BrowserContext
    wearer: str
    wire: Wire
    requests: list[tuple[str, str, int]]

    @classmethod
    def begin(cls, browser: Browser, system: RunningSystem, size: str = "wide") -> "Sitting":
        """Open the camera page as the admin, for a new wearer."""
        return cls.on(signed_in(browser, system, size), system)

    @classmethod
    def on(cls, page: Page, system: RunningSystem) -> "Sitting":
        """Open the camera page where somebody is signed in, for a new wearer."""
        wearer, _, _ = system.new_wearer("Ada Example")
        wire, requests = Wire(), []
        page.on("websocket", wire.follow)
        page.add_init_script(NOTES)
        page.add_init_script(NUMBERS)
        page.on("request", lambda one: requests.append((one.method, one.url, len(one.post_data_buffer or b""))))
        page.goto(f"{system.api}/app/camera")
        page.get_by_label("Whose face is it?").select_option(wearer)
        return cls(page, page.context, wearer, wire, requests)

    def start(self) -> None:
        """Press the button, by keyboard alone."""
        self.page.get_by_role("button", name="Start the camera").focus()
        self.page.keyboard.press("Enter")
        expect(self.page.locator("[data-line=open]")).to_be_visible()

    def frames_behind(self, rate: float) -> list[tuple[float, int]]:
        """Return time and number of the frames on which a heart rate rests that was told."""
        told = next(one for one in self.wire.told if one["type"] == "instruction" and one["heart_rate"] == rate)
        seen = [(at, number) for at, number in self.page.evaluate("framesSeen") if at <= told["time"]]
        breaks = [two[0] for one, two in pairwise(seen) if two[0] - one[0] > BREAK_MS]
        begin = max([told["time"] - LONGEST_WINDOW_MS, *breaks])
        return [(at, number) for at, number in seen if at >= begin]

    def devices(self, system: RunningSystem) -> list[dict[str, Any]]:
        """Return the devices that the page made."""
        with system.client() as client:
            items = client.get(f"/wearers/{self.wearer}/devices").json()["items"]
        return [one for one in items if one["model"] == "browser camera"]

    def until(self, check: Callable[[], bool], told: str) -> None:
        """Wait until something holds that the page itself does not show."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not check():
            assert time.monotonic() < deadline, told
            self.page.wait_for_timeout(100)

    def expect_dark(self) -> None:
        """Wait until no camera is on."""
        self.until(lambda: self.page.evaluate(LIT) == 0, "A camera is still on.")

    def expect_removed(self, system: RunningSystem) -> None:
        """Wait until the page's one device is revoked."""
        self.until(lambda: all(one["revoked_at"] for one in self.devices(system)), "The device is still good.")
        assert len(self.devices(system)) == 1


@pytest.mark.alone
def test_a_pulse_is_told_and_no_picture_leaves_the_browser(at_portrait: Browser, system: RunningSystem) -> None:
    """The pulse that was to be seen appears, within 3 bpm; numbers alone are sent; stopping leaves nothing behind."""
    sitting = Sitting.begin(at_portrait, system)
    page = sitting.page
    expect(page.locator("[data-leaves=colours]")).to_contain_text("No picture leaves this browser")
    sitting.start()
    rate, confidence = page.wait_for_function(SHOWN, timeout=FIRST_PULSE_MS).json_value()
    assert abs(rate - rate_seen(SCENE, sitting.frames_behind(rate))) < 3
    assert confidence >= 0.5
    expect(page.locator("[data-said]")).to_contain_text(re.compile(r"Heart rate \d\d a minute, .* sure"))
    expect(page.locator("svg[data-wave]")).to_be_visible()
    messages = [json.loads(one) for one in sitting.wire.sent]
    assert [one["type"] for one in messages[:2]] == ["hello", "trace"]
    assert {one["type"] for one in messages[1:]} == {"trace"}
    longest = max(len(one) for one in sitting.wire.sent)
    assert longest < 6_000, "half a second of numbers, no picture"
    assert set(page.evaluate("window.sentKinds")) == {"text"}
    assert all(size < 200 for _, _, size in sitting.requests), sitting.requests
    (device,) = sitting.devices(system)
    assert device["revoked_at"] is None
    assert page.evaluate(KEPT).count("token") == 0
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-said]")).to_contain_text("The camera is off")
    sitting.expect_dark()
    sitting.expect_removed(system)
    page.context.close()


def test_a_grey_wall_has_no_pulse(at_grey: Browser, system: RunningSystem) -> None:
    """Before a wall the page says why there is no heart rate and what to do, and shows no number."""
    sitting = Sitting.begin(at_grey, system)
    page = sitting.page
    sitting.start()
    expect(page.locator("[data-reason=no_face]")).to_be_visible()
    expect(page.locator("[data-why]")).to_contain_text("Face the camera")
    expect(page.locator("[data-face=missing]")).to_be_visible()
    page.wait_for_function("document.querySelector('[data-said]').textContent.includes('No face')")
    told = [one for one in sitting.wire.told if one["type"] == "instruction"]
    assert told
    assert all(one["heart_rate"] is None for one in told)
    expect(page.locator("[data-rate]")).to_have_count(0)
    page.context.close()


def test_pictures_leave_only_when_the_switch_says_so(at_portrait: Browser, system: RunningSystem) -> None:
    """With the switch pictures are sent, and the page says so; leaving the page turns the camera off."""
    sitting = Sitting.begin(at_portrait, system)
    page = sitting.page
    page.get_by_role("switch").check()
    expect(page.locator("[data-leaves=pictures]")).to_contain_text("Pictures of your face")
    sitting.start()
    expect(page.locator("[data-reason]")).to_be_visible()
    sitting.until(lambda: any(isinstance(one, bytes) for one in sitting.wire.sent), "No picture was sent.")
    pictures = [one for one in sitting.wire.sent if isinstance(one, bytes)]
    length = int.from_bytes(pictures[0][:4], "big")
    header = json.loads(pictures[0][4 : 4 + length])
    assert header["type"] == "video"
    assert pictures[0][4 + length :][:3] == b"\xff\xd8\xff"
    assert sum(header["sizes"]) == len(pictures[0]) - 4 - length
    assert not [one for one in sitting.wire.told if one["type"] == "nack"]
    page.get_by_role("switch").uncheck()
    expect(page.locator("[data-face=seen]")).to_be_visible()
    page.locator("a[href='/app/alerts']").first.click()
    expect(page.locator("video")).to_have_count(0)
    sitting.expect_removed(system)
    page.context.close()


def test_a_page_that_is_closed_has_its_device_revoked(at_portrait: Browser, system: RunningSystem) -> None:
    """Closing the tab, as a person does, and going elsewhere without Stop both revoke the device that was made."""
    closed, left = (Sitting.begin(at_portrait, system) for _ in range(2))
    for sitting in (closed, left):
        sitting.start()
        (device,) = sitting.devices(system)
        assert device["revoked_at"] is None
    closed.page.close(run_before_unload=True)
    left.page.goto("about:blank")
    for sitting in (closed, left):
        revoked_soon(sitting, system)
        sitting.context.close()


def test_what_a_killed_page_left_is_revoked_when_a_camera_is_next_started(
    at_portrait: Browser, system: RunningSystem
) -> None:
    """The device of a page that ended without a word goes with the next start there; that of an open page stays."""
    dead = Sitting.begin(at_portrait, system)
    dead.start()
    with dead.page.expect_event("crash"), suppress(Error):
        dead.page.goto("chrome://crash")
    (device,) = dead.devices(system)
    assert device["revoked_at"] is None
    first, second = (Sitting.on(dead.context.new_page(), system) for _ in range(2))
    first.start()
    revoked_soon(dead, system)
    second.start()
    (device,) = first.devices(system)
    assert device["revoked_at"] is None, "A page took the device of another, which still measures."
    made = [one["device_id"] for sitting in (first, second) for one in sitting.devices(system)]
    assert second.page.evaluate("({...localStorage})") == {
        "pulsera.camera.devices": json.dumps(made, separators=(",", ":"))
    }
    assert "token" not in second.page.evaluate(KEPT)
    dead.context.close()


def revoked_soon(sitting: Sitting, system: RunningSystem) -> None:
    """Wait until the one device of a page that is gone is revoked."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not all(one["revoked_at"] for one in sitting.devices(system)):
        assert time.monotonic() < deadline, "The device is still good."
        time.sleep(0.1)
    assert len(sitting.devices(system)) == 1


def test_why_there_is_no_camera_is_said(at_portrait: Browser, system: RunningSystem) -> None:
    """A camera that is refused, missing or in use is told in words with the next step; no device is made for it."""
    sitting = Sitting.begin(at_portrait, system)
    page = sitting.page
    for error, words in WORDS.items():
        page.evaluate(
            "name => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); }; }",
            error,
        )
        page.get_by_label("Whose face is it?").select_option(sitting.wearer)
        page.get_by_role("button", name="Start the camera").click()
        expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    assert sitting.devices(system) == []
    page.context.close()


def test_a_carer_brings_a_token_and_a_wrong_one_is_refused_in_words(
    at_portrait: Browser, system: RunningSystem
) -> None:
    """Who may not make devices pastes a device's token; a wrong one is refused in words."""
    context = at_portrait.new_context()
    page = context.new_page()
    _, carer = system.new_user()
    page.goto(f"{system.api}/app/")
    page.get_by_label("Access token").fill(carer)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Camera").click()
    expect(page.get_by_role("button", name="Use a device")).to_have_count(0)
    page.get_by_label("Device token").fill("wrong")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("alert").filter(has_text="token is not one of a device")).to_be_visible()
    page.wait_for_function(f"({LIT}) === 0")
    _, _, token = system.new_wearer("Ada Example")
    page.get_by_label("Device token").fill(token)
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("[data-line=open]")).to_be_visible()
    context.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_and_is_accessible(at_portrait: Browser, system: RunningSystem, size: str) -> None:
    """Before and while it runs the page fits without sideways scroll, and axe finds no serious fault, light or dark."""
    sitting = Sitting.begin(at_portrait, system, size)
    page = sitting.page
    SHOTS.mkdir(parents=True, exist_ok=True)
    for name in ("camera-off", "camera"):
        if name == "camera":
            sitting.start()
            expect(page.locator("svg[data-wave]")).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.screenshot(path=SHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            found = Axe().run(page).response["violations"]
            serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in HARD]
            assert serious == [], (name, scheme)
    page.context.close()

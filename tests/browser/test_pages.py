"""The web application in a real Chromium: what a carer sees, does, and hears."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.chromium import SHOTS, SIZES, signed_in
from tests.running_system import RunningSystem, TestDevice, now_ms, reading

pytestmark = [pytest.mark.browser, pytest.mark.connected, pytest.mark.timeout(400)]


@dataclass
class Person:
    """A wearer with a device that can send."""

    system: RunningSystem
    wearer: str
    token: str

    def send(self, *readings: dict[str, object]) -> None:
        """Send readings in one connection and wait for their ack."""

        async def session() -> None:
            device = await TestDevice.connect(self.system.devices_url, self.token)
            await device.acked(await device.send(list(readings)))
            await device.close()

        with ThreadPoolExecutor(1) as beside_the_browser:  # whose driver occupies this thread's loop
            beside_the_browser.submit(asyncio.run, session()).result()


@pytest.fixture
def person(system: RunningSystem) -> Person:
    """A new wearer, Ada."""
    wearer, _, token = system.new_wearer("Ada Example")
    return Person(system, wearer, token)


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    """Both colour schemes."""
    return str(request.param)


def racing(at_ms: int, seconds: int) -> list[dict[str, object]]:
    """Return a heart that races at rest for so many seconds up to `at_ms`."""
    return [
        reading(at_ms - (seconds - n) * 1000, heart_rate=199 + n % 4, motion=0.01, injected=True, skin_temperature=33.2)
        for n in range(seconds)
    ]


def test_a_value_is_shown_with_unit_and_age_and_moves(browser: Browser, system: RunningSystem, person: Person) -> None:
    """A wearer's card shows the newest value with its unit and age, and changes when a new one arrives."""
    person.send(reading(now_ms(), heart_rate=72, spo2=97))
    page = signed_in(browser, system)
    card = page.locator(f"[data-wearer='{person.wearer}']")
    rate = card.locator("[data-vital=heart_rate]")
    expect(rate).to_contain_text("72 /min")
    expect(rate).to_contain_text("ago")
    person.send(reading(now_ms(), heart_rate=88))
    expect(rate).to_contain_text("88 /min")
    page.context.close()


def test_an_alert_arrives_explains_itself_and_is_answered(
    browser: Browser, system: RunningSystem, person: Person
) -> None:
    """An alert appears by itself, explains itself and is answered; resolved, it calms nobody while the heart races."""
    page = signed_in(browser, system)
    person.send(*racing(now_ms() - 8_000, 140))
    card = page.locator(f".alert:has(a[href$='{person.wearer}'])").first
    expect(card).to_be_visible()
    expect(card).to_contain_text("HIGH")
    expect(card).to_contain_text("injected")
    expect(card.locator("[data-reason]")).to_contain_text("rest")
    expect(page.locator("#announce-high")).to_contain_text("Ada Example")
    card.get_by_role("button", name="Evidence").click()
    evidence = card.locator("[data-evidence]")
    expect(evidence).to_contain_text("180")
    expect(evidence).to_contain_text("a clinical limit")
    expect(evidence).not_to_contain_text("pulsenet")  # which expected nothing of a stranger
    card.get_by_role("button", name="I am on it").click()
    expect(card.locator("[data-response=acknowledged]")).to_be_visible()
    card.get_by_role("button", name="Resolve").click()
    card.locator("[data-act=resolve-confirm]").click()
    expect(card.get_by_label("What was it?")).to_be_visible()
    card.get_by_label("What was it?").select_option("person_well")
    card.locator("[data-act=resolve-confirm]").click()
    expect(page.locator(f".alert:has(a[href$='{person.wearer}']) [data-act=resolve]")).to_have_count(0)
    wearer = page.locator(f"[data-wearer='{person.wearer}']")
    expect(wearer.locator("[data-state]")).to_have_attribute("data-state", "alert")
    page.goto(f"{system.api}/app/alerts")
    past = page.locator("section[aria-label=History] .alert", has_text="Ada Example").first
    expect(past.locator("[data-response=resolved]")).to_be_visible()
    page.context.close()


@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_and_is_accessible(
    browser: Browser, system: RunningSystem, person: Person, size: str, scheme: str
) -> None:
    """Home, wearer and alerts fit their width without sideways scroll and have no serious fault that axe finds."""
    person.send(*racing(now_ms() - 8_000, 140))
    page = signed_in(browser, system, size, scheme)
    SHOTS.mkdir(parents=True, exist_ok=True)
    for name, path in {"home": "", "wearer": f"wearers/{person.wearer}", "alerts": "alerts"}.items():
        page.goto(f"{system.api}/app/{path}")
        expect(page.locator(f".alert:has(a[href$='{person.wearer}'])").first).to_be_visible()
        if name == "wearer":
            expect(page.locator("[data-chart=heart_rate] canvas")).to_be_visible()
            expect(page.locator("[data-rates]")).to_contain_text("promised at most 0.1 a day")
            expect(page.locator("[data-chart=score] canvas")).to_be_visible()
            expect(page.locator("[data-unjudged]")).to_contain_text("too little known yet")
            page.get_by_role("button", name="Evidence").first.click()
        page.screenshot(path=SHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        found = Axe().run(page).response["violations"]
        serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in {"serious", "critical"}]
        assert serious == [], name
    page.context.close()


def calm(until_ms: int, minutes: int) -> list[dict[str, object]]:
    """Return somebody who sits for so many minutes up to `until_ms`, a reading each 10 s."""
    return [
        reading(until_ms - n * 10_000, heart_rate=70 + (n * 7) % 5, motion=0.01, skin_temperature=33.2)
        for n in reversed(range(minutes * 6))
    ]


def test_the_score_is_drawn_where_something_was_judged(browser: Browser, system: RunningSystem, person: Person) -> None:
    """Of half an hour the score is drawn after the warm-up, with the newest in words; what lies before is said open."""
    person.send(*calm(now_ms() - 8_000, 35))
    page = signed_in(browser, system)
    page.goto(f"{system.api}/app/wearers/{person.wearer}")
    page.get_by_role("button", name="1 h").click()
    chart = page.locator("[data-chart=score]")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart).to_have_attribute("data-points", re.compile(r"[1-9]\d+"))
    expect(chart.locator("[data-newest-score]")).to_contain_text(" of 1")
    expect(chart.locator("[data-unjudged]")).to_contain_text("too little known yet")
    expect(page.locator("[data-alert]")).to_have_count(0)
    page.context.close()


def test_the_keyboard_alone_answers_an_alert(browser: Browser, system: RunningSystem, person: Person) -> None:
    """The key j moves to an alert, and a says that I am on it."""
    person.send(*racing(now_ms() - 8_000, 140))
    page = signed_in(browser, system)
    page.goto(f"{system.api}/app/wearers/{person.wearer}")
    card = page.locator("[data-alert]").first
    expect(card).to_be_visible()
    page.keyboard.press("j")
    expect(card).to_be_focused()
    page.keyboard.press("a")
    expect(card.locator("[data-response=acknowledged]")).to_be_visible()
    page.context.close()


def test_a_lost_connection_is_said_and_mends_itself(browser: Browser, system: RunningSystem, person: Person) -> None:
    """While the live socket is away the page says so with the age of what it shows; then it is live again."""
    person.send(reading(now_ms(), heart_rate=72))
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    refuse = False

    def route(socket: object) -> None:
        server = socket.connect_to_server()  # type: ignore[attr-defined]
        sockets.append(socket)
        if refuse:
            server.close()
            socket.close(code=4503)  # type: ignore[attr-defined]

    sockets: list[object] = []
    page.route_web_socket("**/live", route)
    page.goto(f"{system.api}/app/")
    page.get_by_label("Access token").fill(system.ready["admin_token"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-link=live]")).to_be_visible()
    refuse = True
    sockets[-1].close(code=4503)  # type: ignore[attr-defined]
    expect(page.locator(".stale-banner")).to_contain_text("Not connected")
    refuse = False
    expect(page.locator("[data-link=live]")).to_be_visible()
    expect(page.locator(".stale-banner")).to_have_count(0)
    context.close()


def test_trouble_of_the_system_is_on_every_page(browser: Browser, system: RunningSystem) -> None:
    """What `/ready` says is late or down stands above every page, and goes when the system is well."""
    page = signed_in(browser, system, "phone")
    expect(page.locator("[data-trouble]")).to_have_count(0)
    late = {"state": "degraded", "latency_ms": 1.0, "detail": "It is 25 s behind.", "core": False}
    page.route("**/ready", lambda route: route.fulfill(json={"status": "degraded", "components": {"care": late}}))
    for path in ("", "alerts"):
        page.goto(f"{system.api}/app/{path}")
        expect(page.locator("[data-trouble]")).to_contain_text("Alerts may come late")
        expect(page.locator("[data-trouble]")).to_contain_text("It is 25 s behind.")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.unroute("**/ready")
    expect(page.locator("[data-trouble]")).to_have_count(0)
    page.context.close()


def test_a_wrong_token_is_refused_in_words(browser: Browser, system: RunningSystem) -> None:
    """A wrong token leaves the sign-in page with a sentence."""
    page = browser.new_page()
    page.goto(f"{system.api}/app/")
    page.get_by_label("Access token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="token")).to_be_visible()
    page.close()

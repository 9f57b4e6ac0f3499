"""The zones page in a real Chromium: the table, the map, the past, and what comes live over the one socket."""

import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect

from schemas.zones import AREA, BIN_MS
from tests.browser.chromium import PATIENCE_MS, SHOTS, SIZES, fail_on_error, signed_in
from tests.browser.city import PLACES, City, newest_bin_ms, status
from tests.running_system import started

pytestmark = [pytest.mark.browser, pytest.mark.connected, pytest.mark.timeout(240)]

SOON_MS = 20_000
HARD = {"serious", "critical"}
JUDGED = {("zones", "light"), ("zones", "dark"), ("zones-area", "dark"), ("zones-past", "light")}
"""What axe looks at: each view, and both schemes."""


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    """A system of its own: what other tests make wearers do is no part of this city."""
    with tempfile.TemporaryDirectory(prefix="pulsera-zones-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with started(data_dir=Path(folder) / "data") as running:
            made = City(running)
            made.found()
            yield made


def at_zones(browser: Browser, city: City, size: str = "wide") -> Page:
    """Return the zones page of the administrator, once its list and its map are there."""
    city.keep_up()
    page = signed_in(browser, city.system, size)
    page.get_by_role("link", name="Zones").click()
    expect(level(page, "hill-school")).to_have_attribute("data-level-word", "too_few_wearers", timeout=SOON_MS)
    for zone in PLACES:
        expect(shape(page, zone)).to_be_visible(timeout=SOON_MS)
    return page


def know_the_alerts(page: Page) -> None:
    """Load the page anew and wait until it was told which alerts there are: only what comes then is said aloud."""
    topics: dict[int, str] = {}
    told: set[str | None] = set()

    def ask(sent: bytes | str) -> None:
        topics[json.loads(sent).get("id")] = json.loads(sent).get("topic")

    def hear(received: bytes | str) -> None:
        if json.loads(received)["type"] == "snapshot":
            told.add(topics.get(json.loads(received)["id"]))

    def follow(socket: WebSocket) -> None:
        socket.on("framesent", ask)
        socket.on("framereceived", hear)

    page.on("websocket", follow)
    page.reload()
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while "alerts" not in told:
        assert time.monotonic() < deadline, "The page was not told which alerts there are."
        page.wait_for_timeout(100)


def level(page: Page, zone: str) -> Locator:
    """Return what the list says of a zone's level."""
    return page.locator(f"[data-zone='{zone}'] [data-level-word]")


def shape(page: Page, key: str) -> Locator:
    """Return a shape of the map."""
    return page.locator(f"path[data-shape='{key}']")


def test_the_map_and_the_table_tell_the_same_and_nothing_is_asked_elsewhere(browser: Browser, city: City) -> None:
    """Each zone has one level in both, "too few wearers" never looks usual, and no request leaves the server."""
    city.keep_up()
    page = browser.new_page()
    asked: set[str] = set()
    page.on("request", lambda one: asked.add(urlsplit(one.url).netloc or one.url[:5]))
    page.on("console", fail_on_error)
    page.goto(f"{city.system.api}/app/")
    page.get_by_label("Access token").fill(city.system.ready["admin_token"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Zones").click()
    for zone, (name, *_) in PLACES.items():
        told = level(page, zone)
        expect(told).not_to_have_text("Not known", timeout=SOON_MS)
        expect(shape(page, zone)).to_have_attribute("aria-label", f"{name}: {told.inner_text()}", timeout=SOON_MS)
    expect(level(page, "old-town")).to_have_text("Critical")
    expect(level(page, "hill-school")).to_have_text("Too few wearers")
    fills = page.evaluate(
        "[...document.querySelectorAll('path[data-shape]')].map(one => [one.dataset.shape, getComputedStyle(one).fill])"
    )
    assert all("url(" in fill for _, fill in fills), fills
    assert dict(fills)["hill-school"] != dict(fills)["north"]
    expect(page.locator(".graticule-label").first).to_have_text(re.compile(r"^\d+(\.\d+)?° [NE]$"))
    expect(page.locator(".leaflet-control-scale-line")).to_have_text(re.compile(r"^\d+ (k?m)$"))
    page.get_by_role("button", name="Zoom in").click()
    assert asked == {city.origin}
    page.close()


def test_a_zone_opens_its_card_by_mouse_and_by_keyboard(browser: Browser, city: City) -> None:
    """A click on the map and Enter in it open the card with level, chance, causes and blindness; Escape leads back."""
    page = at_zones(browser, city)
    page.locator("[data-open=north]").click()
    expect(page.locator("[data-zone-card=north] [data-delayed]")).to_contain_text("have not arrived")
    shape(page, "old-town").click(position={"x": 12, "y": 60})
    card = page.locator("[data-zone-card=old-town]")
    possible = "others here are spared. Not shown to be the cause."
    told = ("Critical", "about once a year", "30 min", "exertion", possible, "good (200 or more)", "5 % of its wearers")
    for words in told:
        expect(card).to_contain_text(words)
    expect(page).to_have_url(re.compile("/app/zones/old-town$"))
    shape(page, "old-town").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("[data-zone-card=old-town]")).to_have_count(0)
    expect(page.locator("[data-zone-card] h2")).to_be_focused()
    opened = page.locator("[data-zone-card]").get_attribute("data-zone-card")
    assert opened in {"north", "hill-school"}
    page.keyboard.press("Escape")
    expect(page.locator(f"[data-open={opened}]")).to_be_focused()
    page.locator("[data-open=hill-school]").focus()
    page.keyboard.press("Enter")
    blind = page.locator("[data-zone-card=hill-school]")
    expect(blind).to_contain_text("neither good nor bad")
    expect(blind).to_contain_text("none: it is blind")
    page.context.close()


def test_cells_of_the_whole_area_tell_counts_only_where_they_may(browser: Browser, city: City) -> None:
    """The map of the whole area and its list have every cell; a count that is not told is not a number."""
    page = at_zones(browser, city)
    page.locator(".map-card").get_by_role("button", name="Whole area").click()
    expect(page.locator("path[data-shape]")).to_have_count(len(city.cells), timeout=SOON_MS)
    shown = next(one for one in city.cells if one.active is not None and one.flagged is None)
    shape(page, shown.cell).focus()
    page.keyboard.press("Enter")
    card = page.locator(f"[data-cell-card='{shown.cell}']")
    expect(card).to_contain_text(f"{shown.active} or more")
    expect(card).to_contain_text("not told, so that nobody is given away")
    few = next(one for one in city.cells if one.level == "too_few_wearers")
    page.get_by_text(f"Cells of the whole area ({len(city.cells)})").click()
    page.get_by_role("button", name=re.compile("^Show .* more$")).click()
    row = page.locator(f"[data-cell='{few.cell}']")
    expect(row).to_contain_text("Too few wearers")
    expect(row.locator("td").nth(1)).to_have_text("not told")
    page.context.close()


def test_the_past_is_marked_and_one_button_leads_back(browser: Browser, city: City) -> None:
    """The slider shows how zones stood an hour ago under a banner that says so; one button returns to what is now."""
    page = at_zones(browser, city)
    page.locator("[data-open=old-town]").click()
    slider = page.get_by_role("slider", name="Moment shown")
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-past-banner]")).to_contain_text("You see the past")
    expect(level(page, "old-town")).to_have_text("Usual", timeout=SOON_MS)
    expect(shape(page, "old-town")).to_have_attribute("data-level", "usual")
    expect(page.locator("[data-zone-card=old-town]")).to_contain_text("No more than chance gives often")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"\d\d:\d\d to \d\d:\d\d, usual"), timeout=SOON_MS)
    page.locator("[data-past-banner]").get_by_role("button", name="Back to live").click()
    expect(page.locator("[data-past-banner]")).to_have_count(0)
    expect(level(page, "old-town")).to_have_text("Critical")
    page.context.close()


def test_a_level_changes_by_itself_over_the_one_socket(browser: Browser, city: City) -> None:
    """What a new record tells of a zone is on the list and on the map without a reload, by the socket that is open."""
    page = at_zones(browser, city)
    sockets: list[str] = []
    page.on("websocket", lambda one: sockets.append(one.url))
    page.reload()
    expect(level(page, "harbour")).to_have_text(re.compile("Usual|Elevated"), timeout=SOON_MS)
    city.tell(status("harbour", "warning", test="shift", window_min=60))
    expect(level(page, "harbour")).to_have_text("Warning", timeout=SOON_MS)
    expect(shape(page, "harbour")).to_have_attribute("data-level", "warning")
    expect(page.locator("[data-said]")).to_have_text("Harbour and the long quay: Warning")
    page.locator("[data-open=harbour]").click()
    expect(page.locator("[data-zone-card=harbour]")).to_contain_text("all in the same direction")
    assert [urlsplit(url).path for url in sockets] == ["/live"]
    page.context.close()


def test_what_is_old_is_grey_and_says_since_when(browser: Browser, city: City) -> None:
    """Where nothing newer came for a quarter of an hour the list says since when, and the shape is drawn as old."""
    page = at_zones(browser, city)
    page.clock.install()
    page.clock.fast_forward(25 * 60_000)
    row = page.locator("[data-zone=hill-school]")
    expect(row).to_contain_text(re.compile(r"since .*\d\d:\d\d"), timeout=SOON_MS)
    expect(row).to_have_class("old")
    expect(shape(page, "hill-school")).to_have_attribute("aria-label", "Hill School: Out of date")
    page.context.close()


def test_without_a_zone_the_page_says_what_to_do(browser: Browser, city: City) -> None:
    """Somebody with whom no zone is shared is told whom to ask; a share shows the zone, before its first level too."""
    user, token = city.system.new_user()
    page = browser.new_page()
    page.goto(f"{city.system.api}/app/")
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Zones").click()
    expect(page.locator("[data-empty]")).to_contain_text("Ask an administrator", timeout=SOON_MS)
    expect(page.locator("[data-map]")).to_have_count(0)
    with city.system.client() as client:
        client.put(f"/community/zones/north/people/{user}", json={"scopes": ["status"]}).raise_for_status()
    page.reload()
    expect(level(page, "north")).to_have_text("Usual", timeout=SOON_MS)
    expect(page.locator("[data-zone]")).to_have_count(1)
    page.close()


def test_an_alert_of_a_zone_names_it_and_leads_to_the_map(browser: Browser, city: City) -> None:
    """Home shows the alert under the zone's name; the name leads to the map with the zone's card, alert included."""
    page = signed_in(browser, city.system)
    know_the_alerts(page)
    city.alarm("north")
    alert = page.locator(".alert", has=page.locator("a[href='/app/zones/north']"))
    expect(alert).to_be_visible(timeout=SOON_MS)
    expect(alert).to_contain_text("by chance about once a year")
    expect(alert.get_by_role("button", name="I am on it")).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#announce, #announce-high").filter(has_text="Zone North")).to_have_count(1)
    alert.get_by_role("button", name="Evidence").click()
    expect(alert.locator("[data-evidence]")).to_contain_text("more wearers flagged than chance gives")
    alert.get_by_role("link", name="Zone North").click()
    card = page.locator("[data-zone-card=north]")
    expect(card.locator("[data-alert]")).to_contain_text("by chance about once a year", timeout=SOON_MS)
    card.get_by_role("button", name="I am on it").click()
    expect(card.locator("[data-response=acknowledged]")).to_be_visible(timeout=SOON_MS)
    page.context.close()


def test_an_administrator_makes_a_zone_and_shares_it(browser: Browser, city: City) -> None:
    """A zone of a pasted outline has no level until it is shared; an outline that is none is refused in words."""
    page = at_zones(browser, city)
    page.get_by_text("Make and share zones").click()
    form = page.get_by_role("form", name="Make a zone")
    form.get_by_label("Name").fill("Riverside")
    form.get_by_label("Outline as GeoJSON").fill("{")
    form.get_by_role("button", name="Make the zone").click()
    expect(form.get_by_role("alert")).to_contain_text("not JSON")
    ring = [[13.30, 52.48], [13.34, 52.48], [13.34, 52.50], [13.30, 52.50], [13.30, 52.48]]
    form.get_by_label("Outline as GeoJSON").fill(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    form.get_by_role("button", name="Make the zone").click()
    expect(form.get_by_role("status")).to_contain_text("Made: Riverside", timeout=SOON_MS)
    row = page.locator("[data-zone=riverside]")
    expect(row).to_contain_text("not shared with you")
    share = page.get_by_role("form", name="Share a zone")
    share.get_by_label("Zone").select_option("riverside")
    share.get_by_role("button", name="Share with me").click()
    expect(row).to_contain_text("starting", timeout=SOON_MS)
    with city.system.client() as client:
        client.delete("/community/zones/riverside")
    page.context.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_and_is_accessible(browser: Browser, city: City, size: str) -> None:
    """Zones, cells and the past fit without sideways scroll, and axe finds no serious fault, light or dark."""
    page = at_zones(browser, city, size)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.locator("[data-open=old-town]").click()
    for name in ("zones", "zones-area", "zones-past"):
        if name == "zones-area":
            page.locator(".map-card").get_by_role("button", name="Whole area").click()
            expect(page.locator("path[data-shape]")).to_have_count(len(city.cells), timeout=SOON_MS)
        if name == "zones-past":
            page.get_by_role("button", name="5 minutes earlier").click()
            expect(page.locator("[data-past-banner]")).not_to_contain_text("Loading", timeout=SOON_MS)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=SHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            if (name, scheme) not in JUDGED:
                continue
            found = Axe().run(page).response["violations"]
            serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in HARD]
            assert serious == [], (name, scheme)
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()


def test_the_newest_bin_wins_whatever_comes_late(browser: Browser, city: City) -> None:
    """A status of an earlier bin that comes after a newer one changes nothing on the page."""
    page = at_zones(browser, city)
    earlier = status("north", "critical", bin_ms=newest_bin_ms() - 4 * BIN_MS)
    city.tell(earlier, status(AREA, "elevated", cells=tuple(city.cells)))
    expect(level(page, AREA)).to_have_text("Elevated", timeout=SOON_MS)
    expect(level(page, "north")).to_have_text("Usual")
    page.context.close()

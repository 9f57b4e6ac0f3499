"""The zones page in a real Chromium with made answers: many zones, far places, long names, the past."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from schemas.zones import AREA, BIN_MS
from tests.browser.chromium import SHOTS
from tests.browser.city import newest_bin_ms
from tests.browser.made_zones import MadeServer, MadeZone, shown

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WHOLE = MadeZone(zone_id=AREA, name="Whole area", level="usual", before=("usual", "usual"))
LONG = "Neighbourhood association of the upper and the lower quarter beside the old river harbour " * 2
MANY = 200
_LAYOUTS = "LayoutCount"
MOST_LAYOUTS = 200
"""Drawing everything anew for each outline made the browser lay out the page some hundred times for each of them."""


def shapes(page: Page, count: int) -> None:
    """Wait until so many zones are on the map."""
    expect(page.locator("path[data-shape]")).to_have_count(count)


def order(page: Page) -> list[str]:
    """Return the zones of the map from the lowest to the topmost."""
    found: list[str] = page.evaluate("[...document.querySelectorAll('path[data-shape]')].map(one => one.dataset.shape)")
    return found


def boxes(page: Page, selector: str) -> list[dict[str, float]]:
    """Return the rectangles of what is seen of a selector."""
    found: list[dict[str, float]] = page.evaluate(
        "selector => [...document.querySelectorAll(selector)].filter(one => !one.hidden).map(one => {"
        " const {left, top, right, bottom} = one.getBoundingClientRect(); return {left, top, right, bottom}; })",
        selector,
    )
    return found


def meet(one: dict[str, float], other: dict[str, float]) -> bool:
    """Do two rectangles overlap by more than a pixel?"""
    return (
        min(one["right"], other["right"]) - max(one["left"], other["left"]) > 1
        and min(one["bottom"], other["bottom"]) - max(one["top"], other["top"]) > 1
    )


def test_what_is_not_known_hides_no_level(browser: Browser) -> None:
    """A zone of which nothing is told lies under every other on the map, and last in the list."""
    here: dict[str, Any] = {"latitude": 46.95, "longitude": 7.45}
    zones = [
        MadeZone(zone_id="unknown", name="Unknown", level=None, rings=3, **here),
        MadeZone(zone_id="usual", name="Usual", level="usual", rings=2, **here),
        MadeZone(zone_id="critical", name="Critical", level="critical", **here),
    ]
    page = shown(browser, MadeServer(zones))
    shapes(page, 3)
    expect(page.locator("[data-zone='critical'] [data-level-word]")).to_have_text("Critical")
    expect(page.locator("path[data-shape='critical']")).to_have_attribute("data-level", "critical")
    assert order(page) == ["unknown", "usual", "critical"]
    assert page.locator("[data-zone]").last.get_attribute("data-zone") == "unknown"
    page.context.close()


def test_many_zones_are_drawn_once(browser: Browser) -> None:
    """200 zones, and then a new level of each, make the browser lay out the page a few times and not for every one."""
    zones = [
        MadeZone(
            zone_id=f"z{n}", name=f"Zone {n}", level="usual", latitude=46.6 + n // 16 / 20, longitude=7 + n % 16 / 16
        )
        for n in range(MANY)
    ]
    server = MadeServer(zones)
    page = shown(browser, server)
    meter = page.context.new_cdp_session(page)
    meter.send("Performance.enable")
    shapes(page, MANY)
    server.tell(*[one.told("elevated", newest_bin_ms() + BIN_MS) for one in zones])
    expect(page.locator("path[data-shape][data-level=elevated]")).to_have_count(MANY)
    told = {one["name"]: one["value"] for one in meter.send("Performance.getMetrics")["metrics"]}
    assert told[_LAYOUTS] < MOST_LAYOUTS
    names = boxes(page, ".zone-name")
    assert len(names) > 5
    assert not [1 for at, one in enumerate(names) for other in names[:at] if meet(one, other)]
    page.context.close()


@pytest.mark.parametrize("size", ["phone", "wide"])
def test_choosing_a_zone_goes_to_it_and_names_are_whole(browser: Browser, size: str) -> None:
    """Of zones a country apart the chosen one is large on the map; names lie in it whole, beside the buttons."""
    zones = [
        MadeZone(zone_id="bern", name="Old town of Bern", level="usual"),
        MadeZone(zone_id="north", name="North of everything", level="warning", latitude=54.3, longitude=10.1),
        MadeZone(zone_id="east", name="East " + LONG, level="critical", latitude=54.2, longitude=21.0),
    ]
    page = shown(browser, MadeServer(zones), size)
    shapes(page, 3)
    SHOTS.mkdir(parents=True, exist_ok=True)
    for chosen in (None, "bern", "east"):
        if chosen:
            page.locator(f"[data-open={chosen}]").click()
            expect(page.locator(f"[data-zone-card={chosen}]")).to_be_visible()
            box = page.locator(f"path[data-shape={chosen}]").bounding_box()
            assert box
            assert max(box["width"], box["height"]) >= 48
        page.screenshot(path=SHOTS / f"zones-far-{chosen}-{size}.png", full_page=True)
        frame = boxes(page, ".map")[0]
        names = boxes(page, ".zone-name")
        assert names
        for one in names:
            assert frame["left"] <= one["left"]
            assert one["right"] <= frame["right"]
            assert not any(meet(one, button) for button in boxes(page, ".map-buttons button"))
    row = page.locator("[data-open=east]")
    assert (row.bounding_box() or {"height": 999})["height"] <= 60
    assert row.get_attribute("title") == f"East {LONG}"
    page.context.close()


def test_the_past_has_its_own_order_and_the_strip_the_whole_area(browser: Browser) -> None:
    """The list of a moment begins with what was worst then; with nothing chosen the strip is the whole area's."""
    zones = [
        MadeZone(zone_id="now", name="Bad now", level="critical", before=("usual", "usual")),
        WHOLE,
        MadeZone(zone_id="then", name="Bad then", level="usual", latitude=46.99, before=("critical", "critical")),
    ]
    page = shown(browser, MadeServer(zones))
    shapes(page, 2)
    expect(page.locator("[data-zone]").first).to_have_attribute("data-zone", "now")
    expect(page.locator("[data-strip]")).to_have_attribute("data-strip", AREA)
    expect(page.locator("[data-strip]")).to_contain_text("Whole area")
    page.get_by_role("button", name="5 minutes earlier").click()
    expect(page.locator("[data-zone='then'] [data-level-word]")).to_have_text("Critical")
    assert page.locator("[data-zone]").first.get_attribute("data-zone") == "then"
    assert order(page)[-1] == "then"
    page.locator("[data-open=now]").click()
    expect(page.locator("[data-strip]")).to_have_attribute("data-strip", "now")
    page.screenshot(path=SHOTS / "zones-past-order.png", full_page=True)
    page.context.close()

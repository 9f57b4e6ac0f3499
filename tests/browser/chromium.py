"""A real Chromium for the tests of pages, and the sign-in that each begins with."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect

from tests.running_system import RunningSystem

SHOTS = Path("build/screenshots")
SIZES = {"phone": (360, 740), "wide": (1280, 800)}


PATIENCE_MS = 45_000
"""So long a page may take on a computer that does much else; what it shows at last is what a test is about."""
expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str:
    """Return Chromium's path; without one the tests are skipped, loudly, but never where CI runs."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found:
        return found
    how = "Chromium is not installed: `apt-get install chromium` (Debian), or any package that puts `chromium` on PATH."
    if os.environ.get("CI"):
        pytest.fail(how)
    pytest.skip(how)


def launch(driver: Playwright, *arguments: str) -> Browser:
    """Start a headless Chromium."""
    options = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    return driver.chromium.launch(executable_path=chromium(), args=[*options, *arguments])


def signed_in(browser: Browser, system: RunningSystem, size: str = "wide", scheme: str = "light") -> Page:
    """Return a page that signed in with the admin's token; an error on the console fails the test."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", fail_on_error)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(f"{system.api}/app/")
    page.get_by_label("Access token").fill(system.ready["admin_token"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-link=live]")).to_be_visible()
    return page


def fail_on_error(message: ConsoleMessage) -> None:
    """Fail on an error of the console; the answer 401 to a page that is not signed in yet is one by design."""
    if message.type == "error" and "401" not in message.text:
        pytest.fail(message.text)

"""The source of the pages holds nothing that makes markup or code of text."""

from pathlib import Path
from typing import Final

WEB: Final = Path(__file__).resolve().parents[2] / "api" / "web"
NEVER: Final = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "dangerouslySetInnerHTML", "document.write", "eval(",
    "new Function", "javascript:", "localStorage", "sessionStorage", "postMessage",
)  # fmt: skip
KEEPS_IDS: Final = "camera-device.js: localStorage"
"""The one file that keeps something, ids of devices and no token (docs/security.md); `tests/browser` look at what."""


def test_the_pages_never_make_markup_of_text() -> None:
    """Names, models and notes are put in as text, nothing is evaluated, and no secret kept in reach of all scripts."""
    sources = [path for path in WEB.rglob("*.js") if "vendor" not in path.parts]
    assert len(sources) >= 10
    found = [f"{path.name}: {word}" for path in sources for word in NEVER if word in path.read_text(encoding="utf-8")]
    assert found == [KEEPS_IDS]


def test_no_page_holds_script_or_style_of_its_own() -> None:
    """The page loads its script and style as files, so that the policy may forbid everything inline."""
    page = (WEB / "index.html").read_text(encoding="utf-8")
    assert "<style" not in page
    assert " style=" not in page
    assert " onload" not in page
    assert page.count("<script") == page.count('<script type="module" src=')

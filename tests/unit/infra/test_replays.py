"""What a data folder remembers of its replays."""

from pathlib import Path

import pytest

from infra.enrol import Enrolled
from infra.replays import Kept, Replays
from schemas.errors import SetupError

KEPT = Kept(device=Enrolled(wearer_id="w", device_id="d", token="t"), start_ms=5, present_s=7)  # noqa: S106 - made up


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    """Each replay is found by its key, by its owner alone."""
    Replays(tmp_path).keep("one", KEPT)
    Replays(tmp_path).keep("other", KEPT)
    assert Replays(tmp_path).find("one") == KEPT
    assert Replays(tmp_path).find("third") is None
    assert (tmp_path / "replays.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "[]", '{"one": {"start_ms": 5}}'])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    """The next step is said."""
    (tmp_path / "replays.json").write_text(text)
    with pytest.raises(SetupError, match=r"replays\.json cannot be read.*Delete it"):
        Replays(tmp_path).find("one")

"""The file that lets Kafka start quickly is used only as it was made."""

from pathlib import Path

from infra.embedded.kafka import is_whole


def test_a_damaged_file_is_removed_so_that_it_is_made_anew(tmp_path: Path) -> None:
    """One changed byte, which Java would crash on, is noticed by the sum that was kept when the file was whole."""
    made = tmp_path / "kafka.aot"
    assert not is_whole(made)
    made.write_bytes(b"classes" * 1_000)
    assert is_whole(made)
    spoilt = bytearray(made.read_bytes())
    spoilt[3_000] ^= 1
    made.write_bytes(spoilt)
    assert not is_whole(made)
    assert not made.exists()
    made.write_bytes(b"other classes")
    assert is_whole(made)

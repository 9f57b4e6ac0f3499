"""Tests of how states are packed and how often they are saved."""

from stream_processors.hosts.saving import pack, save_interval_s, unpack


def test_a_packed_state_unpacks_to_the_same_bytes() -> None:
    """What is packed comes back byte for byte, smaller where it repeats itself."""
    blob = b"state " * 1_000
    assert unpack(pack(blob)) == blob
    assert len(pack(blob)) < len(blob) / 10
    assert unpack(pack(b"")) == b""


def test_what_was_not_packed_by_us_is_not_a_state() -> None:
    """Foreign, short and damaged bytes give None, so that the log is read instead."""
    assert unpack(b"") is None
    assert unpack(b"foreign bytes that are long enough") is None
    assert unpack(pack(b"state " * 100)[:-3]) is None


def test_saving_slows_down_where_it_would_pass_a_megabyte_a_second() -> None:
    """Twelve states of 10 MB are saved every 120 s, small ones every 30 s."""
    assert save_interval_s(30.0, [100] * 12) == 30.0
    assert save_interval_s(30.0, [10_000_000] * 12) == 120.0

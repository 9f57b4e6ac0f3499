"""The wire format of protocol buffers, and what is none."""

import pytest

from inference.protobuf import fields


def test_each_kind_of_field_is_told() -> None:
    """A number, bytes, and numbers of fixed size come in order, with the number of their field."""
    data = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\x01\x02\x03\x04" + b"\x21" + bytes(range(8))
    assert list(fields(data)) == [(1, 150), (2, b"hi"), (3, b"\x01\x02\x03\x04"), (4, bytes(range(8)))]


@pytest.mark.parametrize(
    "data",
    [b"\x08", b"\x08\x96", b"\x12\x05hi", b"\x1d\x01", b"\x0b", b"\x08" + b"\xff" * 10, b"\x12" + b"\xff" * 12],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """Numbers that are cut off or too long, lengths beyond the end, and kinds that there are none of."""
    with pytest.raises(ValueError, match=r"\."):
        list(fields(data))

"""Slots of wearers and streams."""

from schemas import frame
from stream_processors.operators.readings import read
from stream_processors.operators.wearers import Roster
from tests.vitals_frames import T0_MS, batch, reading, wearer_id


def place(roster: Roster, *people: tuple[int, str, int]) -> tuple[list[int], list[int]]:
    """Place one reading of each (wearer, source, device) and return wearer and stream slots."""
    rows = [reading(T0_MS, wearer=wearer, source=source, device=device) for wearer, source, device in people]
    readings = read(frame.encode(batch(rows)), append_ms=T0_MS)
    assert readings is not None
    wearer, stream, _ = roster.place(readings)
    return wearer.tolist(), stream.tolist()


def test_slots_follow_the_order_of_the_log() -> None:
    """Wearers get slots as they come, and keep them."""
    roster = Roster()
    assert place(roster, (5, "watch", 1), (3, "watch", 2))[0] == [0, 1]
    assert place(roster, (3, "watch", 2), (8, "watch", 3))[0] == [1, 2]
    assert roster.ids == [wearer_id(number).bytes for number in (5, 3, 8)]


def test_a_device_lent_to_another_wearer_is_another_stream() -> None:
    """A stream belongs to a wearer: the same device on another wrist has a watermark of its own."""
    roster = Roster()
    _, first = place(roster, (1, "watch", 7))
    _, second = place(roster, (2, "watch", 7))
    assert first != second


def test_many_streams_of_one_wearer_fit() -> None:
    """A wearer with more streams than there was room for keeps them all apart."""
    roster = Roster()
    streams = [place(roster, (1, "watch", device))[1][0] for device in range(1, 8)]
    assert len(set(streams)) == 7
    assert place(roster, (1, "watch", 3))[1] == [streams[2]]


def test_a_loaded_roster_goes_on() -> None:
    """After a load the same readings find the same slots, and new ones the next."""
    roster = Roster()
    people = [(number % 70, "watch", number) for number in range(1, 140)]
    slots = place(roster, *people)
    other = Roster()
    other.load(roster.dump(), ids=roster.ids, firmwares=roster.firmwares)
    assert place(other, *people) == slots
    assert place(other, (999, "phone", 4)) == place(roster, (999, "phone", 4))

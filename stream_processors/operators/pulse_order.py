"""In which order the frames of one camera are taken: decided by their own times and the boot that sent them alone."""

from enum import StrEnum
from typing import Final

import msgspec

from schemas.video import VideoRecord

NEW_AFTER_MS: Final = 10_000.0
"""After so long without a frame a stream begins anew: what was seen before says nothing of now."""
_SEQS: Final = 64
"""So many messages are remembered to tell one that comes again from one that comes late."""


class Fate(StrEnum):
    """What becomes of a record: `gap` is used too, as the beginning of a new run of frames."""

    USED = "used"
    GAP = "gap"
    LATE = "late"
    REPEATED = "repeated"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a stream has been read: its boot, the time of its newest frame, and its newest messages."""

    boot: bytes
    newest_ms: float
    seqs: tuple[int, ...] = ()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a record is to its stream.

    Attributes:
        first: Its first frame that is later than all before it.
        anew: Whether frames before it are to be forgotten.
        standing: How far the stream is read after it.
    """

    fate: Fate
    first: int
    anew: bool
    standing: Standing


def place(standing: Standing | None, record: VideoRecord) -> Place:
    """Return what a record is to a stream that stands there, None for one that is not known.

    A frame that is not later than the newest is left out; a record without a later frame comes late, or again. A
    device that was started again may have put its clock back: what it sends then is new at any time.
    """
    times_ms = [record.time_ms + offset for offset in record.offsets_ms]
    if standing is None:
        return _used(None, record, times_ms[-1], first=0, fate=Fate.USED)
    restarted = record.boot != standing.boot
    if restarted and times_ms[0] <= standing.newest_ms:
        return _used(None, record, times_ms[-1], first=0, fate=Fate.GAP)
    first = next((index for index, at_ms in enumerate(times_ms) if at_ms > standing.newest_ms), None)
    if first is None:
        again = not restarted and record.seq in standing.seqs
        return Place(fate=Fate.REPEATED if again else Fate.LATE, first=len(times_ms), anew=False, standing=standing)
    if times_ms[first] - standing.newest_ms > NEW_AFTER_MS:
        return _used(None, record, times_ms[-1], first=first, fate=Fate.GAP)
    return _used(standing, record, times_ms[-1], first=first, fate=Fate.USED)


def _used(before: Standing | None, record: VideoRecord, newest_ms: float, *, first: int, fate: Fate) -> Place:
    known = before.seqs if before is not None and before.boot == record.boot else ()
    standing = Standing(boot=record.boot, newest_ms=newest_ms, seqs=(*known, record.seq)[-_SEQS:])
    return Place(fate=fate, first=first, anew=before is None, standing=standing)

"""What the API hears of the log: one follower, and those who keep what it hands on."""

from dataclasses import dataclass
from typing import Final

from api.live.entries import Decoding
from api.live.hub import Hub
from api.live.recent import FOLLOWED
from api.ports import Meter
from api.zone_board import Board, Known
from infra.kafka.follower import KafkaFollower
from infra.timescale.access import AccessList
from stream_processors.ports import Record

_LOOK_BACK_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFeed:
    """The follower of the log, the hub that tells live sockets, and the board of zones; all from a moment on."""

    now_s: float

    follower: KafkaFollower
    decoding: Decoding
    hub: Hub
    board: Board

    async def run(self) -> None:
        """Follow from a minute before that moment, until cancelled."""
        await self.follower.run(from_ms=int(self.now_s - _LOOK_BACK_S) * 1000)


def live_feed(bootstrap: str, access: AccessList, meter: Meter, *, now_s: float) -> LiveFeed:
    """Return the feed; nothing is heard before it runs."""
    decoding = Decoding(access.device)
    hub, board = Hub(grants=access, decoding=decoding, meter=meter), Board(since_ms=int(now_s * 1000))

    def begin(topic: str, partition: int, offset: int) -> None:
        hub.begin(topic, partition, offset)
        board.begin(topic, partition, offset)

    def take(record: Record) -> None:
        board.take(record)
        hub.take(record)

    follower = KafkaFollower(bootstrap, list(FOLLOWED), begin=begin, take=take)
    board.join(Known(feed=follower, zone=access.zone))
    return LiveFeed(now_s=now_s, follower=follower, decoding=decoding, hub=hub, board=board)

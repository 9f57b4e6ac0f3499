"""Whatever the network loses, a device's readings arrive: each at least once, in order, none dropped."""

import random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ingest.client.messages import pack
from ingest.client.protocol import DeviceProtocol, Identity, Reconnect
from tests.model_gateway import ModelGateway

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("produce"), st.integers(1, 4)),
        st.tuples(st.just("deliver"), st.integers(0, 6)),
        st.tuples(st.just("answer"), st.integers(0, 6)),
        st.tuples(st.just("lose"), st.just(0)),
    ),
    max_size=60,
)


class Wire:
    """A connection whose two directions move only when told, and of which the rest is lost when it breaks."""

    def __init__(self, protocol: DeviceProtocol, gateway: ModelGateway) -> None:
        self.protocol = protocol
        self.far_end = gateway.connection()
        self.out: list[str | bytes] = [protocol.hello(0)]
        self.back: list[str] = []

    def deliver(self, count: int) -> None:
        """Move so many messages to the gateway."""
        self.out.extend(self.protocol.due(0.0))
        for data in self.out[:count]:
            self.back.extend(self.far_end.receive(data))
        del self.out[:count]

    def answer(self, count: int) -> None:
        """Move so many answers to the device."""
        for data in self.back[:count]:
            self.protocol.receive(data, 0.0)
        del self.back[:count]


@given(STEPS)
def test_every_reading_arrives_at_least_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    """First arrivals are exactly the produced readings in order, and nothing leaves the device before it arrived."""
    protocol = DeviceProtocol(
        Identity(boot=UUID(int=1), model="watch"),
        random=random.Random(0),  # noqa: S311
    )
    gateway = ModelGateway()
    wire = Wire(protocol, gateway)
    produced = 0
    for step, count in [*steps, ("lose", 0)]:
        if step == "produce":
            for packed in pack([{"time": produced + place, "heart_rate": 60} for place in range(count)]):
                protocol.enqueue(packed)
            produced += count
        elif step == "deliver":
            wire.deliver(count)
        elif step == "answer":
            wire.answer(count)
        else:
            assert isinstance(protocol.disconnected(None), Reconnect)
            wire = Wire(protocol, gateway)
        assert produced - protocol.readings <= len({reading["time"] for reading in gateway.durable})
    while protocol.messages:
        wire.deliver(1000)
        wire.answer(1000)
    assert list(dict.fromkeys(reading["time"] for reading in gateway.durable)) == list(range(produced))

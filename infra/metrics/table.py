"""The table of metrics: every name that Pulsera reports, what it means, and its labels."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row: histograms are in seconds and get the suffix `_seconds`; all get the prefix `pulsera_`."""

    name: str
    kind: Literal["histogram", "counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric(name="ack", kind="histogram", help="readings message received by the gateway -> its ack sent"),
    Metric(name="append", kind="histogram", help="frame handed to Kafka -> acknowledged by all replicas"),
    Metric(name="processed", kind="histogram", help="reading received -> the last operator of vitals is done with it"),
    Metric(name="stored", kind="histogram", help="reading received -> its row committed"),
    Metric(name="live", kind="histogram", help="reading received -> update handed to a live socket"),
    Metric(name="alert", kind="histogram",
           help="receipt of the reading that closed the deciding bin -> alert handed to a live socket"),
    Metric(name="write", kind="histogram", help="a transaction of rows and offsets"),
    Metric(name="sessions", kind="gauge", help="device connections open now"),
    Metric(name="inflight_bytes", kind="gauge", help="bytes of frames handed to Kafka and not yet durable"),
    Metric(name="live_clients", kind="gauge", help="live sockets open now"),
    Metric(name="lag_records", kind="gauge", help="records appended and not yet handled", labels=("topic",)),
    Metric(name="messages_total", kind="counter", help="device messages received", labels=("type",)),
    Metric(name="readings_total", kind="counter", help="readings admitted"),
    Metric(name="rejected_total", kind="counter", help="readings or vitals refused", labels=("code",)),
    Metric(name="frames_total", kind="counter", help="frames appended"),
    Metric(name="throttled_total", kind="counter", help="times a socket was not read for a while"),
    Metric(name="closed_total", kind="counter", help="device connections closed by the gateway", labels=("code",)),
    Metric(name="backfill_total", kind="counter", help="readings more than 60 s old when they were received"),
    Metric(name="expired_total", kind="counter", help="readings and scores past retention when storage came to them"),
    Metric(name="records_total", kind="counter", help="records handled", labels=("topic",)),
    Metric(name="dead_letters_total", kind="counter", help="records put on dead.v1", labels=("topic",)),
    Metric(name="retries_total", kind="counter", help="publish or write tried again", labels=("what",)),
    Metric(name="gap_records_total", kind="counter", help="records that the log had dropped before they were read",
           labels=("topic",)),
    Metric(name="restored_total", kind="counter", help="partition states restored", labels=("topic",)),
    Metric(name="saved_bytes_total", kind="counter", help="bytes of state saved"),
    Metric(name="coalesced_total", kind="counter", help="live readings replaced by a newer one before they were sent"),
)  # fmt: skip
"""Every metric of every process; a process reports those that it uses."""

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}

"""The table of metrics: every name that Pulsera reports, what it means, and its labels."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row: histograms are in seconds and get the suffix `_seconds`; all get the prefix `pulsera_`.

    `by` names the processes that report it: their counters begin at zero, since a rule sees no increase in a series
    that was not there before.
    """

    name: str
    kind: Literal["histogram", "counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


_GATEWAY: Final = ("gateway",)
_FAMILIES: Final = ("storage", "vitals", "care", "video", "zones")
_GROUPS: Final = ("storage", "vitals", "care", "video")
_API: Final = ("api",)


METRICS: tuple[Metric, ...] = (
    Metric(name="ack", kind="histogram", help="readings message received by the gateway -> its ack sent", by=_GATEWAY),
    Metric(name="append", kind="histogram", help="frame handed to Kafka -> acknowledged by all replicas", by=_GATEWAY),
    Metric(name="processed", kind="histogram",
           help="reading, or video, received -> the last operator of its family is done with it",
           by=("vitals", "video")),
    Metric(name="stored", kind="histogram", help="reading received -> its row committed", by=("storage",)),
    Metric(name="live", kind="histogram", help="reading received -> update handed to a live socket", by=_API),
    Metric(name="alert", kind="histogram",
           help="receipt of the reading that closed the deciding bin -> alert handed to a live socket", by=_API),
    Metric(name="write", kind="histogram", help="a transaction of rows and offsets", by=("storage",)),
    Metric(name="sessions", kind="gauge", help="device connections open now", by=_GATEWAY),
    Metric(name="inflight_bytes", kind="gauge",
           help="bytes of frames handed to Kafka and not yet durable", by=_GATEWAY),
    Metric(name="live_clients", kind="gauge", help="live sockets open now", by=_API),
    Metric(name="lag_records", kind="gauge",
           help="records appended and not yet handled", labels=("topic",), by=_FAMILIES),
    Metric(name="coordinator_missing_seconds", kind="gauge", by=_GROUPS,
           help="seconds since Kafka's coordinator of the family's group last answered, while a broker did; else 0"),
    Metric(name="messages_total", kind="counter", help="device messages received", labels=("type",), by=_GATEWAY),
    Metric(name="readings_total", kind="counter", help="readings admitted", by=_GATEWAY),
    Metric(name="rejected_total", kind="counter", help="readings or vitals refused", labels=("code",), by=_GATEWAY),
    Metric(name="frames_total", kind="counter", help="frames appended", by=_GATEWAY),
    Metric(name="throttled_total", kind="counter", help="times a socket was not read for a while", by=_GATEWAY),
    Metric(name="closed_total", kind="counter",
           help="device connections closed by the gateway", labels=("code",), by=_GATEWAY),
    Metric(name="backfill_total", kind="counter",
           help="readings more than 60 s old when they were received", by=_GATEWAY),
    Metric(name="expired_total", kind="counter",
           help="readings and scores past retention when storage came to them", by=("storage",)),
    Metric(name="records_total", kind="counter", help="records handled", labels=("topic",), by=_FAMILIES),
    Metric(name="dead_letters_total", kind="counter", help="records put on dead.v1", labels=("topic",), by=_FAMILIES),
    Metric(name="retries_total", kind="counter", help="publish, write or start of a decoder tried again",
           labels=("what",), by=_FAMILIES),
    Metric(name="gap_records_total", kind="counter", help="records that the log had dropped before they were read",
           labels=("topic",), by=(*_FAMILIES, "api")),
    Metric(name="restored_total", kind="counter", help="partition states restored", labels=("topic",),
           by=("vitals", "video", "zones")),
    Metric(name="detector_fallbacks_total", kind="counter",
           help="starts at which the model's weights could not be read: the simple detector stands in", by=("vitals",)),
    Metric(name="detector_info", kind="gauge", labels=("model", "role"), by=("vitals",),
           help="1 for the model in each role: alerting, fallback, shadow; 0 for one that had it before"),
    Metric(name="model_drift", kind="gauge", labels=("model", "role", "of"), by=("vitals",),
           help="population stability index of scores or inputs against those where the model was made; NaN: unknown"),
    Metric(name="shadow_wearer_days", kind="gauge", by=("vitals",),
           help="event time that the alerting detector and the shadow both judged"),
    Metric(name="shadow_agreement", kind="gauge", by=("vitals",),
           help="share of that time in which both fire or neither does; NaN: nothing judged"),
    Metric(name="shadow_alerts_per_day", kind="gauge", labels=("detector", "tier"), by=("vitals",),
           help="alerts a wearer-day that each would tell of, of this tier and above; NaN: less than a wearer-day"),
    Metric(name="shadow_off", kind="gauge", by=("vitals",), help="1 where the shadow failed and is off"),
    Metric(name="shadow_failures_total", kind="counter", by=("vitals",),
           help="times a shadow failed and was turned off"),
    Metric(name="takeovers_total", kind="counter", by=("vitals",),
           help="times another detector came to alert"),
    Metric(name="saved_bytes_total", kind="counter", help="bytes of state saved", by=("vitals", "video", "zones")),
    Metric(name="active", kind="gauge", by=("zones",),
           help="1 for the process that holds the family's lock, 0 for one on standby"),
    Metric(name="zone_late_total", kind="counter", by=("zones",),
           help="scored bins that came after their bin of five minutes was closed for their partition"),
    Metric(name="video_messages_total", kind="counter", labels=("fate",), by=("video",),
           help="messages with video: used, used as a new beginning after a gap, late, or repeated"),
    Metric(name="video_streams_expired_total", kind="counter", by=("video",),
           help="streams of video forgotten, since nothing came of them while others went on"),
    Metric(name="measured_frames_total", kind="counter", help="pictures measured", by=("video",)),
    Metric(name="unreadable_frames_total", kind="counter", labels=("reason",), by=("video",),
           help="pictures of which nothing could be had, which is told as `unreadable`"),
    Metric(name="instructions_total", kind="counter", help="instructions handed to devices", by=_GATEWAY),
    Metric(name="instructions_dropped_total", kind="counter", by=_GATEWAY,
           help="instructions for devices that are not connected here, or do not read"),
    Metric(name="coalesced_total", kind="counter",
           help="live readings replaced by a newer one before they were sent", by=_API),
    Metric(name="delivered_total", kind="counter", help="live updates handed to sockets", by=_API),
    Metric(name="delivered_bytes_total", kind="counter", help="bytes of live messages handed to sockets", by=_API),
    Metric(name="dropped_total", kind="counter",
           help="live updates that still waited for a socket when it was closed", by=_API),
    Metric(name="live_closed_total", kind="counter",
           help="live sockets closed by the server", labels=("code",), by=_API),
    Metric(name="unshown_total", kind="counter", help="records that could not be shown live", labels=("topic",),
           by=_API),
    Metric(name="lag_seconds", kind="gauge", labels=("family",), by=_API,
           help="seconds of the log between what was appended and what a family has done"),
    Metric(name="outbox_age_seconds", kind="gauge", by=_API,
           help="age of the oldest change of an alert not yet published"),
    Metric(name="audit_lost_lines", kind="gauge", by=_API,
           help="lines of the audit lost since the start, because too many waited for the database"),
    Metric(name="database_bytes", kind="gauge", by=_API, help="size of the database on its disk"),
    Metric(name="disk_bytes", kind="gauge", by=_API, help="size of the file system that holds the data folder"),
    Metric(name="disk_free_bytes", kind="gauge", by=_API, help="what is left of it for an ordinary user"),
)  # fmt: skip
"""Every metric of every process; a process reports those that it uses."""

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}

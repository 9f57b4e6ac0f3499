"""How a worker joins the consumer group of its family, whichever host runs it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How a member joins its group.

    Attributes:
        group: The consumer group: one a family.
        instance: Stable name of this member; a restarted one gets its partitions back without a rebalance.
        session_timeout_s: Silence after which the others take over.
        commit_interval_s: How often handled offsets are committed.
    """

    bootstrap: str
    group: str
    instance: str
    session_timeout_s: float = 30.0
    heartbeat_s: float = 3.0
    commit_interval_s: float = 0.5

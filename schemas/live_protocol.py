"""The live socket's messages, `pulsera.live.v1`: subscriptions in, snapshots and updates out."""

from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct

SUBPROTOCOL: Final = "pulsera.live.v1+json"
TOKEN_SUBPROTOCOL_PREFIX: Final = "pulsera.token."  # noqa: S105 - the name of a header's part, no secret

CLOSE_BAD_MESSAGE: Final = 4400
CLOSE_REVOKED: Final = 4401
CLOSE_TOO_SLOW: Final = 4413
CLOSE_DRAINING: Final = 4503

LiveTopic = Literal["readings", "scores", "alerts", "episodes", "zones"]
"""Scope needed for a wearer: readings -> `readings`; scores and episodes -> `scores`; alerts -> `alerts`. For a zone:
zones -> `status`; alerts and episodes -> `alerts`."""


class Subscribe(Struct, tag="subscribe", tag_field="type", frozen=True, kw_only=True):
    """Ask for a snapshot and then updates. Without wearer and zone: every one that the user has a grant for."""

    id: int
    topic: LiveTopic
    wearer: UUID | None = None
    group: str | None = None
    zone: str | None = None
    since: str | None = None


class Unsubscribe(Struct, tag="unsubscribe", tag_field="type", frozen=True):
    """End a subscription."""

    id: int


Request = Subscribe | Unsubscribe


class Snapshot(Struct, tag="snapshot", tag_field="type", frozen=True, kw_only=True, omit_defaults=True):
    """The present state; updates after `cursor` follow."""

    id: int
    data: list[Any]
    cursor: str
    reset: bool = False
    behind_s: float | None = None


class Update(Struct, tag="update", tag_field="type", frozen=True, kw_only=True):
    """One change."""

    id: int
    data: Any
    cursor: str


class Unsubscribed(Struct, tag="unsubscribed", tag_field="type", frozen=True):
    """Answer to `unsubscribe`, and the notice that a subscription ended because a grant did."""

    id: int


class LiveError(Struct, tag="error", tag_field="type", frozen=True, omit_defaults=True):
    """A request was refused, or a subscription ended (`code` "grant_withdrawn")."""

    id: int | None
    code: str
    detail: str = ""

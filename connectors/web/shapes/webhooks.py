"""Shapes of webhooks.

The one thing to know: a secret is named and never shown, for it is never told.
"""

from typing import Annotated, Literal

import msgspec

from connectors.web.shapes.base import AtMs, Shape

WebhookName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
Words = Annotated[tuple[str, ...], msgspec.Meta(max_length=64)]
PauseAfterS = Annotated[int, msgspec.Meta(ge=60, le=518_400)]
Url = Annotated[str, msgspec.Meta(max_length=2_048)]


class WebhookFilter(Shape, frozen=True):
    """Which events are wanted; what is left out lets all through."""

    job_ids: Words = ()
    applications: Words = ()
    kinds: Words = ()
    states: Words = ()


class WebhookChange(Shape, frozen=True):
    """What a webhook is to be."""

    url: Url
    filter: WebhookFilter = WebhookFilter()
    secret: str = ""
    """``env:NAME`` or ``file:NAME``."""
    pause_after_s: PauseAfterS = 21_600
    name: WebhookName | msgspec.UnsetType = msgspec.UNSET


class WebhookBody(Shape, frozen=True):
    """The same of a new one, which has to be named."""

    name: WebhookName
    url: Url
    filter: WebhookFilter = WebhookFilter()
    secret: str = ""
    pause_after_s: PauseAfterS = 21_600


class WebhookTest(Shape, frozen=True, omit_defaults=False):
    """A test, and how it went."""

    offset: int
    state: Literal["asked", "good", "bad"]
    detail: str


class Webhook(Shape, frozen=True, omit_defaults=False):
    """A receiver of events, and how it goes."""

    name: WebhookName
    url: str
    filter: WebhookFilter
    secret: str
    pause_after_s: PauseAfterS
    created_generation: str
    created_offset: int
    created_at_ms: AtMs
    actor: str
    why: str
    version: int
    is_paused: bool
    paused_by: str
    pause_why: str
    standing: Literal["", "delivering", "failing", "paused"]
    standing_since_ms: AtMs
    detail: str
    test: WebhookTest | None


class Webhooks(Shape, frozen=True, omit_defaults=False):
    """All of them, by name."""

    cell: str
    generation: str
    is_current: bool
    items: tuple[Webhook, ...]

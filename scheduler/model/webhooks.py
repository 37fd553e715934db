"""Who is told by HTTP what becomes of jobs: the requests that say so, and what a cell keeps.

The one thing to know: the log holds who wants to hear what, and never a secret: a secret is named
(`env:NAME`, `file:NAME`) and read where it is used. Nothing is sent by the fold; the process
`streams.webhooks` sends, and tells the cell only when a receiver begins to fail or answers again.
"""

from typing import Final, Literal

from scheduler.model.base import Ours

WEBHOOKS_MAX: Final = 50
"""Of a cell: each costs its process a connection to Kafka and up to eight requests at once."""
URL_BYTES_MAX: Final = 2_048
FILTER_NAMES_MAX: Final = 64
"""Of each kind of name in a filter."""
PAUSE_AFTER_S: Final = 6 * 60 * 60
"""A receiver that fails for so long is left alone. GitHub gives up a delivery at once and Stripe
after three days; the events themselves are kept for seven."""
PAUSE_AFTER_S_MAX: Final = 6 * 24 * 60 * 60
"""A day less than what topic ``job-events`` keeps, so that nothing is lost before a page goes."""
DETAIL_CHARACTERS_MAX: Final = 500

WebhookStanding = Literal["", "delivering", "failing", "paused"]
"""What the process said last of a receiver; empty before its first word."""


class WebhookFilter(Ours, frozen=True):
    """Which events a receiver wants; an empty list lets all through."""

    job_ids: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    """Names of changes, such as ``TaskChanged``."""
    states: tuple[str, ...] = ()
    """Of jobs and tasks; events without a state are not wanted where one is named."""


class WebhookSet(Ours, frozen=True):
    """An operator has events sent to a URL, or changes how."""

    name: str
    url: str
    wanted: WebhookFilter
    actor: str
    why: str
    secret: str = ""
    """``env:NAME`` or ``file:NAME``; empty: requests are not signed."""
    pause_after_s: int = PAUSE_AFTER_S
    if_version: int | None = None
    """Only if the webhook has this version, 0: if there is none; None: whatever it has."""


class WebhookRemoved(Ours, frozen=True):
    """An operator ends a webhook."""

    name: str
    actor: str
    why: str
    if_version: int | None = None


class WebhookPaused(Ours, frozen=True):
    """An operator has nothing sent for now, or has it go on where it stopped."""

    name: str
    is_paused: bool
    actor: str
    why: str


class WebhookTested(Ours, frozen=True):
    """An operator has one event sent by which the receiver can be tried."""

    name: str
    actor: str
    why: str


class WebhookNoted(Ours, frozen=True):
    """The process that sends says how it goes."""

    name: str
    created_offset: int
    """Of the webhook that it speaks of: another one may have its name by now."""
    standing: WebhookStanding = ""
    detail: str = ""
    test_offset: int = -1
    """The test that it answers; below 0: none."""
    is_test_good: bool = False
    actor: str = ""
    why: str = ""


WebhookRequest = WebhookSet | WebhookRemoved | WebhookPaused | WebhookTested | WebhookNoted
"""All that a record of ``commands`` can say of webhooks."""


class WebhookTest(Ours, frozen=True):
    """A test that was asked for, and how it went."""

    offset: int
    """Of the record of the cell log that asks for it."""
    state: Literal["asked", "good", "bad"] = "asked"
    detail: str = ""


class Webhook(Ours, frozen=True):
    """One receiver of events."""

    name: str
    url: str
    wanted: WebhookFilter
    secret: str
    pause_after_s: int
    created_generation: str
    created_offset: int
    """Events of records behind this one of that generation are sent, and all of later ones."""
    created_at_ms: int
    actor: str
    why: str
    version: int = 1
    is_paused: bool = False
    paused_by: str = ""
    pause_why: str = ""
    standing: WebhookStanding = ""
    detail: str = ""
    """Why it fails; what the receiver answered."""
    standing_since_ms: int = 0
    test: WebhookTest | None = None

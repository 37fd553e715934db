"""A notice of an alert, as the bytes that each kind of receiver takes.

The one thing to know: a notice is a page with more fields, so that it goes the way of pages: its
``id`` is the same wherever it is noticed, and who receives it twice can tell.
"""

from hashlib import sha256
from typing import Any, Final

from connectors.pager.translate import Page, body_of
from connectors.webhooks.translate import Event

SUBJECT_MAX: Final = 100
"""SNS takes no longer ones, and only ASCII."""
SNS_BYTES_MAX: Final = 200_000
"""SNS takes 256 KiB in all."""


class AlertPage(Page, frozen=True, rename="camel", gc=False):
    """A notice for one receiver."""

    state: str = "firing"
    key: str = ""
    rule: str = ""
    severity: str = "warning"
    labels: dict[str, str] = {}  # noqa: RUF012 - msgspec makes a new one each time
    condition: str = ""
    value: str = ""
    fired_at_ms: int = 0
    number: int = 1
    members: int = 1
    runbook: str = ""


def event_of(page: AlertPage) -> Event:
    """The notice as webhooks are sent events: a CloudEvent, signed where there is a secret."""
    return Event(
        id=page.id,
        kind="Alert",
        source=f"/flumina/cells/{page.cell}",
        subject=page.rule,
        data=body_of(page),
        state=page.state,
    )


def published(page: AlertPage, topic: str) -> dict[str, Any]:
    """What SNS is asked to publish; of a FIFO topic with the notice's id against doubles."""
    word = page.state.upper() if page.state == "resolved" else page.severity.upper()
    subject = f"[{word}] {page.cell}: {page.what}"
    plain = "".join(each if " " <= each <= "~" else "?" for each in subject)[:SUBJECT_MAX]
    asked: dict[str, Any] = {
        "TopicArn": topic,
        "Subject": plain,
        "Message": body_of(page)[:SNS_BYTES_MAX].decode("utf-8", "replace"),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value}
            for name, value in (
                ("severity", page.severity),
                ("state", page.state),
                ("rule", page.rule),
                ("cell", page.cell),
            )
            if value
        },
    }
    if topic.endswith(".fifo"):
        asked["MessageGroupId"] = page.rule or "alerts"
        asked["MessageDeduplicationId"] = sha256(page.id.encode()).hexdigest()
    return asked

"""Webhooks as people read them.

The one thing to know: what is shown of a secret is its name, for nothing else of it is known here.
"""

from typing import Any

from projections.cell_view import CellView
from scheduler.model.webhooks import Webhook, WebhookFilter

Json = dict[str, Any]


def webhooks_json(view: CellView) -> list[Json]:
    """All webhooks, by name."""
    known = view.state.webhooks
    return [webhook_json(known[name]) for name in sorted(known)]


def webhook_json(webhook: Webhook) -> Json:
    """One webhook."""
    test = webhook.test
    return {
        "name": webhook.name,
        "url": webhook.url,
        "filter": filter_json(webhook.wanted),
        "secret": webhook.secret,
        "pauseAfterS": webhook.pause_after_s,
        "createdGeneration": webhook.created_generation,
        "createdOffset": webhook.created_offset,
        "createdAtMs": webhook.created_at_ms,
        "actor": webhook.actor,
        "why": webhook.why,
        "version": webhook.version,
        "isPaused": webhook.is_paused,
        "pausedBy": webhook.paused_by,
        "pauseWhy": webhook.pause_why,
        "standing": "paused" if webhook.is_paused else webhook.standing,
        "standingSinceMs": webhook.standing_since_ms,
        "detail": webhook.detail,
        "test": None
        if test is None
        else {"offset": test.offset, "state": test.state, "detail": test.detail},
    }


def filter_json(wanted: WebhookFilter) -> Json:
    """Which events it wants; empty lists let all through."""
    return {
        "jobIds": list(wanted.job_ids),
        "applications": list(wanted.applications),
        "kinds": list(wanted.kinds),
        "states": list(wanted.states),
    }

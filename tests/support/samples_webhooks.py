"""Values of records about webhooks, registries' health and labels of processes, every field set.

The one thing to know: `tests.support.samples` has them in its lists.
"""

from typing import Final

from scheduler.model import alerts, incident_notes, membership, registry_health, webhooks
from scheduler.model.ids import TaskId

REQUESTS: Final = (
    alerts.AlertsSilenced(
        name="upgrade", matches=(("rule", "queue-deep"),), for_s=3_600, actor="op", why="upgrade"
    ),
    alerts.AlertsUnsilenced(name="upgrade", actor="op", why="done"),
    alerts.AlertAcknowledged(key="queue-deep", actor="op", why="I look"),
    webhooks.WebhookSet(
        name="deploys",
        url="https://hooks.example.com/flumina",
        wanted=webhooks.WebhookFilter(
            job_ids=("job",), applications=("web",), kinds=("TaskChanged",), states=("Finished",)
        ),
        actor="op",
        why="deploys",
        secret="env:CI",  # noqa: S106 - a name
        pause_after_s=600,
        if_version=3,
    ),
    webhooks.WebhookRemoved(name="deploys", actor="op", why="enough", if_version=4),
    webhooks.WebhookPaused(name="deploys", is_paused=True, actor="op", why="receiver moves"),
    webhooks.WebhookTested(name="deploys", actor="op", why="new receiver"),
    webhooks.WebhookNoted(
        name="deploys",
        created_offset=1_060,
        standing="failing",
        detail="answered 503",
        test_offset=1_070,
        is_test_good=True,
        actor="flumina-webhooks",
        why="test",
    ),
    registry_health.RegistryHealthNoted(
        registry="eureka",
        healthy=(TaskId("titus-12345-worker-1-5"),),
        unhealthy=(TaskId("titus-12345-worker-2-6"),),
        actor="flumina-registrar",
        why="look",
    ),
    incident_notes.IncidentNoted(
        text="the switch of rack 7 was replaced",
        actor="op",
        from_ms=1_700_000_000_000,
        to_ms=1_700_000_600_000,
        about="host-7",
    ),
    membership.MemberLabelled(
        member_id="cell-1", labels=(("rack", "7"),), removed=("old",), actor="op", why="move"
    ),
)

"""The paths of updates and cron schedules.

The one thing to know: they are flumina's own, Titus has neither; so they stand under
``/api/flumina``.
"""

from dataclasses import replace
from typing import Final

from connectors.web import updates
from connectors.web.call import Handler
from connectors.web.resource import Operation
from connectors.web.shapes import base
from connectors.web.shapes import updates as shapes


def _change(handler: Handler) -> Operation:
    return Operation(handler, ("why",), answer=base.Written, is_versioned=True)


_ONE: Final = f"{updates.PATH}/{{number}}"

UPDATE_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    updates.PATH: {
        "GET": Operation(updates.list_updates, is_read=True, answer=shapes.Updates),
        "POST": replace(_change(updates.begin_update), body=shapes.UpdateBody),
    },
    _ONE: {"GET": Operation(updates.show_update, is_read=True, answer=shapes.Update)},
    f"{_ONE}/pause": {"POST": _change(updates.pause_update)},
    f"{_ONE}/resume": {"POST": _change(updates.resume_update)},
    f"{_ONE}/rollback": {"POST": _change(updates.roll_back_update)},
    updates.CRON_PATH: {
        "GET": Operation(updates.show_cron, ("limit",), is_read=True, answer=shapes.CronSchedule)
    },
}

"""Lines of histories and timelines as rows of a table.

The one thing to know: what is empty stays empty, so that rows can be cut by column.
"""

from connectors.client.shapes import Line
from streams.cli.render import clock, state_text


def event_row(line: Line, *, with_tasks: bool) -> tuple[object, ...]:
    """The line's columns; with its task where lines of several stand together."""
    what = f"{line.mesos_state} " if line.mesos_state else ""
    what += line.what if not what else ""
    details = [each for each in (line.mesos_reason, line.message, line.wake) if each]
    text = f"{what.strip()}: {'; '.join(details)}" if details else what.strip()
    if line.count > 1:
        text += f" ({line.count} times, last at {line.last_address})"
    task = (line.task_id,) if with_tasks else ()
    return (
        clock(line.at_ms),
        line.address,
        *task,
        text,
        state_text(line.state, line.reason),
        line.hostname or line.host_id,
        line.actor,
        line.cause or line.source,
    )

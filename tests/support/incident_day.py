"""A small day with an incident, behind the API: what forensics is tested with.

A host is lost with its tasks, a detector finds another sick, an operator changes the policy and
drains, and a task fails with a secret and markup in its message. No Kafka and no processes.
"""

from scheduler.model.health import Evidence, HostJudged
from scheduler.model.ids import HostId
from scheduler.model.inbound import HostOrdered, PolicyAsked
from scheduler.model.mesos import HostFailed
from tests.support.cell import running_cell, service
from tests.support.web_cell import WebCell

SECRET = "hunter2-Zx9"
MARKUP = '<img src=x onerror="alert(1)">\x1b[31m'


def incident_day() -> WebCell:
    """The day, behind the API."""
    cell = running_cell(3)
    web = WebCell(cell)
    cell.run(service(3, environment=(("API_PIN", SECRET),)), "shop")
    for task in cell.tasks("shop"):
        cell.status(task.task_id, "TASK_RUNNING")
    cell.tick(10_000)
    values = {"reconcile_retry_ms": 12_345}
    cell.copy("commands", PolicyAsked(values=values, actor="bob", why="slower"))
    cell.tick(1_000)
    evidence = (Evidence("line", f"EXT4-fs error (device sda{n}): {n * 7}") for n in (1, 2))
    cell.copy("verdicts", HostJudged(HostId("host2"), "lines", "sick", 950, tuple(evidence)))
    cell.tick(1_000)
    first = cell.tasks("shop")[0]
    text = f"Command exited: login password={SECRET} {MARKUP}"
    cell.status(first.task_id, "TASK_FAILED", message=text)
    cell.copy("mesos", HostFailed(stream_id=cell.stream_id, host_id=HostId("host1")))
    cell.copy("commands", HostOrdered(HostId("host2"), "draining", "ada", "it is sick"))
    cell.tick(1_000)
    return web

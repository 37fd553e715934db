"""What a service's descriptor says besides its size: in service or not, and what may change it.

The one thing to know: what is not given is left out of the spec and of what is written again, so
that digests of jobs submitted before these fields were read stay the same.
"""

from typing import Any, Final

from scheduler.model.job import JobSpec, Migration, Service
from scheduler.model.reading.fields import Fields

NAMES: Final = ("enabled", "serviceJobProcesses", "migrationPolicy")


def read_switches(job: Fields) -> dict[str, Any]:
    """The fields of `JobSpec` that ``service`` sets besides size and retries."""
    if not isinstance(job.raw("service"), dict):
        return {}
    fields = job.inner("service")
    migration: Migration = "systemDefault"
    policy = fields.inner_if_given("migrationPolicy")
    if policy is not None:
        migration = _migration(policy)
    switches = {
        "is_enabled": fields.truth("enabled", default=True),
        "is_increase_disabled": False,
        "is_decrease_disabled": False,
        "migration": migration,
    }
    processes = fields.inner_if_given("serviceJobProcesses")
    if processes is not None:
        for name, field in (
            ("is_increase_disabled", "disableIncreaseDesired"),
            ("is_decrease_disabled", "disableDecreaseDesired"),
        ):
            switches[name] = processes.truth(field, default=False)
        processes.close()
    return switches


def _migration(fields: Fields) -> Migration:
    """Which of both empty objects is given; Titus' default where neither is."""
    system, own = fields.inner_if_given("systemDefault"), fields.inner_if_given("selfManaged")
    for each in (system, own):
        if each is not None:
            each.close()
    fields.close()
    if system is not None and own is not None:
        fields.fault("selfManaged", "is given beside systemDefault", "keep one of them")
    return "selfManaged" if own is not None else "systemDefault"


def pass_over(service: Fields) -> None:
    """Let whoever reads the rest of ``service`` know that these are read here."""
    for name in NAMES:
        service.raw(name)


def written_switches(spec: JobSpec) -> dict[str, Any]:
    """What of these stands in the descriptor of ``spec``."""
    assert isinstance(spec.kind, Service)
    written: dict[str, Any] = {"enabled": spec.is_enabled}
    processes = {
        "disableIncreaseDesired": spec.is_increase_disabled,
        "disableDecreaseDesired": spec.is_decrease_disabled,
    }
    if any(processes.values()):
        written["serviceJobProcesses"] = processes
    if spec.migration != "systemDefault":
        written["migrationPolicy"] = {spec.migration: {}}
    return written

"""Runbooks as a document: read with every fault at its place, and written again.

The one thing to know: the document is what a YAML or JSON file holds, and the record on topic
``commands`` holds the very same; both are read here and nowhere else.
"""

from typing import Any, Final, get_args

from scheduler.model.healing import (
    ARGUMENTS_MAX,
    NAMES_MAX,
    RUNBOOKS_MAX,
    STEPS_MAX,
    TIMEOUT_MS_MAX,
    HealingLimits,
    HealingStep,
    Runbook,
    StepKind,
)
from scheduler.model.reading.checks import pattern_check
from scheduler.model.reading.faults import nearest_name
from scheduler.model.reading.fields import Fields

NAME_CHECK: Final = pattern_check("[a-z0-9](?:[a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9])?", 64, "black-hole")
ARGUMENT_CHECK: Final = pattern_check("[A-Za-z0-9._:/=@+-]{1,128}", 128, "docker.service")
GROUP_CHECK: Final = pattern_check("[A-Za-z0-9._-]{1,255}", 255, "flex-r5")
KINDS: Final[tuple[StepKind, ...]] = get_args(StepKind)
_SCRIPTED: Final = frozenset(("diagnose", "heal"))
_WAITING: Final = frozenset(("probe", "drain", "reschedule"))
_TIMEOUTS_MS: Final = {"drain": 1_800_000, "reschedule": 600_000, "probe": 300_000}
END: Final = "end"


def read_runbooks(fields: Fields, name: str = "runbooks") -> tuple[Runbook, ...]:
    """The runbooks in the field's list; faults go where those of ``fields`` go."""
    found: list[Runbook] = []
    for inside in fields.objects(name, RUNBOOKS_MAX):
        runbook = _runbook(inside)
        if runbook.name and any(each.name == runbook.name for each in found):
            inside.fault("name", f"is {runbook.name}, as that of another", "give each its own")
        found.append(runbook)
    if not fields.has(name):
        fields.fault(name, "is missing", "write a list; an empty one removes all runbooks")
    return tuple(found)


def _runbook(fields: Fields) -> Runbook:
    name = fields.text("name", NAME_CHECK)
    when = fields.inner("when")
    detectors = when.texts("detectors", NAME_CHECK, NAMES_MAX, 4_096)
    probes = when.texts("probes", NAME_CHECK, NAMES_MAX, 4_096)
    groups = when.texts("groups", GROUP_CHECK, NAMES_MAX, 8_192)
    if not detectors and not probes:
        when.fault_here("names no detector and no probe", "say when the runbook is for a host")
    when.close()
    steps = tuple(_step(each) for each in fields.objects("steps", STEPS_MAX))
    if not steps:
        fields.fault("steps", "has no step", f"give at least one of {', '.join(KINDS)}")
    _check_steps(fields, steps)
    runbook = Runbook(
        name=name,
        steps=steps,
        detectors=tuple(sorted(detectors)),
        probes=tuple(sorted(probes)),
        groups=tuple(sorted(groups)),
        needs_approval=fields.truth("approval", default=False),
        is_dry_run=fields.truth("dryRun", default=False),
        limits=_limits(fields),
    )
    fields.close()
    return runbook


def _limits(fields: Fields) -> HealingLimits:
    given = fields.inner_if_given("limits")
    if given is None:
        return HealingLimits()
    usual = HealingLimits()
    found = HealingLimits(
        group_percent=given.whole("groupPercent", 0, 100, usual.group_percent),
        at_once=given.whole("atOnce", 1, 1_000, usual.at_once),
        per_hour=given.whole("perHour", 1, 10_000, usual.per_hour),
        failures_max=given.whole("failuresMax", 1, 1_000, usual.failures_max),
        again_ms=1_000 * given.whole("againSeconds", 0, 604_800, usual.again_ms // 1_000),
    )
    given.close()
    return found


def _step(fields: Fields) -> HealingStep:
    """A step: one field that is its kind, whose object has the rest."""
    kinds = [kind for kind in KINDS if fields.has(kind)]
    if len(kinds) != 1:
        for name, _ in fields.items(8):
            if name not in KINDS:
                fields.fault(name, "is no kind of step", nearest_name(name, KINDS))
        if kinds or not fields.items(8):
            text = f"is {' and '.join(kinds)} at once" if kinds else "is empty"
            fields.fault_here(text, f"give one of {', '.join(KINDS)}")
        return HealingStep(kind="page", exits=(0,))
    kind = kinds[0]
    inside = fields.inner(kind)
    fields.close()
    usual_ms = _TIMEOUTS_MS.get(kind, 60_000)
    step = HealingStep(
        kind=kind,
        name=inside.text("name", NAME_CHECK, default=kind),
        script=inside.text("script", NAME_CHECK) if kind in _SCRIPTED else "",
        arguments=(
            inside.texts("arguments", ARGUMENT_CHECK, ARGUMENTS_MAX, 1_024)
            if kind in _SCRIPTED
            else ()
        ),
        timeout_ms=(
            1_000 * inside.whole("timeoutSeconds", 1, TIMEOUT_MS_MAX // 1_000, usual_ms // 1_000)
            if kind in _SCRIPTED | _WAITING
            else usual_ms
        ),
        exits=_exits(inside) if kind in _SCRIPTED or kind == "judge" else (0,),
        looks=inside.whole("looks", 1, 100, 2) if kind == "probe" else 2,
        otherwise=inside.text("otherwise", NAME_CHECK, default=""),
    )
    inside.close()
    return step


def _exits(fields: Fields) -> tuple[int, ...]:
    raw = fields.raw("exits")
    if raw is None:
        return (0,)
    if not isinstance(raw, list) or not raw or not all(_is_exit(each) for each in raw):
        fields.fault("exits", "is no list of exit codes", "write such as [0, 2], each 0 to 255")
        return (0,)
    return tuple(sorted(set(raw)))


def _is_exit(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _check_steps(fields: Fields, steps: tuple[HealingStep, ...]) -> None:
    names = [each.name for each in steps]
    asked = False
    for place, each in enumerate(steps):
        where = f"{fields.path_of('steps')}[{place}].{each.kind}"
        if names.index(each.name) != place:
            text = f"has the name {each.name}, as an earlier one"
            fields.fault_at(where, text, "give it a name of its own: `name: again`")
        if each.otherwise not in {"", END, *names}:
            text = f"goes to {each.otherwise}, which is no step"
            fields.fault_at(f"{where}.otherwise", text, nearest_name(each.otherwise, [*names, END]))
        if each.kind == "judge" and not asked:
            fields.fault_at(where, "has nothing to judge", "put a diagnose or heal before it")
        asked = asked or each.kind in _SCRIPTED


def runbook_document(runbook: Runbook) -> dict[str, Any]:
    """The runbook as the document writes it."""
    limits = runbook.limits
    when = {"detectors": runbook.detectors, "probes": runbook.probes, "groups": runbook.groups}
    return {
        "name": runbook.name,
        "when": {name: list(names) for name, names in when.items() if names},
        "approval": runbook.needs_approval,
        "dryRun": runbook.is_dry_run,
        "limits": {
            "groupPercent": limits.group_percent,
            "atOnce": limits.at_once,
            "perHour": limits.per_hour,
            "failuresMax": limits.failures_max,
            "againSeconds": limits.again_ms // 1_000,
        },
        "steps": [_step_document(each) for each in runbook.steps],
    }


def _step_document(step: HealingStep) -> dict[str, Any]:
    inside: dict[str, Any] = {"name": step.name}
    if step.kind in _SCRIPTED:
        inside |= {"script": step.script, "arguments": list(step.arguments)}
    if step.kind in _SCRIPTED | _WAITING:
        inside["timeoutSeconds"] = step.timeout_ms // 1_000
    if step.kind in _SCRIPTED or step.kind == "judge":
        inside["exits"] = list(step.exits)
    if step.kind == "probe":
        inside["looks"] = step.looks
    if step.otherwise:
        inside["otherwise"] = step.otherwise
    return {step.kind: inside}

"""What a round decided, in the words of the log.

The one thing to know: a round's record is what `why` rests on years later, so it names hosts and
numbers as they were; and it is bounded, because it is written again and again.
"""

from collections.abc import Iterator

from scheduler.fold.health import keeping_away
from scheduler.model.events import (
    ClassPlacement,
    ClassRefusal,
    Promised,
    RoundRecord,
    RuleRefusal,
    Troughs,
)
from scheduler.model.ids import JobId
from scheduler.placement.outcome import Outcome, Refused
from scheduler.queue.outcome import RoundOutcome
from scheduler.state import Job, State
from scheduler.versions import Variant, name_of

PLACEMENTS_MAX = 100
"""Jobs of which a round's record says why tasks went where they went; the others are counted."""
RULES_MAX = 12
"""Rules of one refusal; those that refused most hosts."""
VARIANTS_MAX = 4
"""Versions and sets of a job of which a refusal says what they lack; the others are counted."""


def record_of(state: State, outcome: RoundOutcome, waiting: int, again_at_ms: int) -> RoundRecord:
    """The record of a round that looked at ``waiting`` tasks; time alone may change it then."""
    return RoundRecord(
        policy_version=state.policy_version,
        inputs_seen=state.placement_inputs,
        mesos_offset=state.stream.mesos_offset,
        waiting=waiting,
        placed=outcome.tasks_placed,
        hosts=len(state.host_offers),
        refusals=tuple(_refusals_of(state, outcome)),
        unexplained=outcome.unexplained,
        mode=state.policy.placement.mode,
        placements=_placements_of(outcome),
        troughs=_troughs_of(outcome),
        promises=tuple(
            Promised(each.host_id, each.request.job_id, each.count, each.at_ms)
            for each in outcome.promises
        ),
        again_at_ms=again_at_ms,
    )


def _refusals_of(state: State, outcome: RoundOutcome) -> Iterator[ClassRefusal]:
    """One for each job: what differs between its versions or sets is said of each by its name."""
    found: dict[JobId, list[tuple[Variant, ClassRefusal]]] = {}
    for each in outcome.refused:
        job_id, rules = each.request.job_id, _rules_of(state, each.outcome)
        refusal = ClassRefusal(job_id, each.count, rules, each.outcome.wake)
        found.setdefault(job_id, []).append((each.request.variant, refusal))
    for held in outcome.held:
        job_id, rules = held.request.job_id, (RuleRefusal(held.rule, 0, None, held.words),)
        refusal = ClassRefusal(job_id, held.count, rules, held.wake)
        found.setdefault(job_id, []).append((held.request.variant, refusal))
    for job_id, parts in found.items():
        yield parts[0][1] if len(parts) == 1 else _together(state.jobs[job_id], parts)


def _together(job: Job, parts: list[tuple[Variant, ClassRefusal]]) -> ClassRefusal:
    """Why tasks of several variants of a job wait, as one answer for the job."""
    by_rule: dict[str, list[tuple[Variant, RuleRefusal]]] = {}
    for variant, part in sorted(parts, key=lambda each: each[0]):
        for rule in part.refusals:
            by_rule.setdefault(rule.rule, []).append((variant, rule))
    rules = []
    for name, said in by_rule.items():
        most = max((rule for _, rule in said), key=lambda rule: rule.hosts)
        words = [f"{name_of(job, variant)}: {rule.missing}" for variant, rule in said]
        more = f"; and {len(words) - VARIANTS_MAX} more" if len(words) > VARIANTS_MAX else ""
        missing = "; ".join(words[:VARIANTS_MAX]) + more
        rules.append(RuleRefusal(name, most.hosts, most.nearest_host_id, missing))
    wakes = dict.fromkeys(part.wake for _, part in parts)
    waiting = sum(part.waiting for _, part in parts)
    return ClassRefusal(job.job_id, waiting, tuple(rules[:RULES_MAX]), "; ".join(wakes))


def _rules_of(state: State, outcome: Outcome) -> tuple[RuleRefusal, ...]:
    rules = sorted(outcome.refused, key=lambda each: (-each.hosts, each.rule))[:RULES_MAX]
    return tuple(
        RuleRefusal(each.rule, each.hosts, each.nearest, _missing(state, each)) for each in rules
    )


def _missing(state: State, refused: Refused) -> str:
    """What the nearest host lacks; where its health keeps it away, what speaks against it."""
    if refused.rule == "draining" and refused.nearest in state.health:
        return keeping_away(state, refused.nearest) or refused.missing
    return refused.missing


def _placements_of(outcome: RoundOutcome) -> tuple[ClassPlacement, ...]:
    """One entry for each job, of the first of its tasks that was placed."""
    found: dict[JobId, ClassPlacement] = {}
    for placed in outcome.placed:
        reason, job_id = placed.outcome.reason, placed.request.job_id
        count = len(placed.outcome.choices)
        before = found.get(job_id)
        if reason is None or (before is None and len(found) >= PLACEMENTS_MAX):
            continue
        first = before or ClassPlacement(
            job_id,
            0,
            placed.outcome.choices[0].host_id,
            reason.fitness,
            reason.parts,
            reason.runner_up,
            reason.runner_up_fitness,
            reason.runner_up_parts,
        )
        found[job_id] = ClassPlacement(
            job_id,
            first.placed + count,
            first.host_id,
            first.fitness,
            first.parts,
            first.runner_up,
            first.runner_up_fitness,
            first.runner_up_parts,
        )
    return tuple(found.values())


def _troughs_of(outcome: RoundOutcome) -> Troughs | None:
    each = outcome.troughs
    if each is None:
        return None
    return Troughs(
        each.total, each.allocated, each.opportunistic, each.guaranteed, each.not_allocated
    )

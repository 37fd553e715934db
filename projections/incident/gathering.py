"""Gathers an incident while its stretch of the log is folded.

The one thing to know: it is a pure projection of the events between two places and of the states
at both ends. It decides nothing and guesses nothing: a line is there because an event or a change
says so, and what was not obeyed by the fold is not told.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from projections.incident.movers import Tallies, template_of
from projections.incident.shapes import (
    LINES_KEPT_MAX,
    NOTES_SHOWN_MAX,
    TEXT_CHARACTERS_MAX,
    TITLES,
    End,
    Incident,
    IncidentLine,
    RuleAlert,
    Section,
    SectionName,
    ShownNote,
)
from projections.incident.telling import Said, said_of
from projections.obeyed import Obedience, Obeyed, Place
from scheduler.model.address import Address
from scheduler.model.changes import (
    Change,
    JobRejected,
    ProposalRefused,
    TaskChanged,
    TimeGapped,
)
from scheduler.model.events import CellRecord, Copied, PolicySet, RoundRecord
from scheduler.model.health import HostJudged
from scheduler.model.ids import HostId, TaskId, job_id_of
from scheduler.model.inbound import PolicyAsked, RulesAsked, RulesChangeAsked
from scheduler.model.proposals import KillTask, PreemptTask
from scheduler.model.rules_document.difference import differences
from scheduler.state import State

GOOD_ENDS: Final = frozenset(("normal", "killed", "scaledDown"))
_POLICY_EVENTS: Final = (PolicySet, PolicyAsked, RulesAsked, RulesChangeAsked)
_MOVES: Final = frozenset(("Accepted", "Launched", "Started", "Disconnected", "KillInitiated"))
TASKS_FOLLOWED_MAX: Final = 200_000
"""Tasks of which the state is remembered; of more, steps within a state are counted as well."""
PARTS_MAX: Final = 10
"""Parts of the policy that a line names."""


class Gathering:
    """One stretch; `take` is given each record with what it changed."""

    def __init__(self, state: State) -> None:
        """``state`` is the fold's own, standing where the stretch begins."""
        self._state = state
        self._obedience = Obedience()
        self._obedience.epoch = state.epoch
        self._obedience.watermarks = dict(state.watermarks)
        self._first = end_of(state)
        self._jobs_before = tasks_of_jobs(state)
        self._hosts_before = tasks_of_hosts(state)
        self._policy = state.policy
        self._is_quality_suspended = state.is_quality_suspended
        self._lines: dict[SectionName, list[IncidentLine]] = {name: [] for name in TITLES}
        self._totals: Counter[SectionName] = Counter()
        self._tallies = Tallies()
        self._steps: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._records = 0
        self._last_states: dict[TaskId, str] = {}

    def take(self, offset: int, record: CellRecord, changes: Sequence[tuple[int, Change]]) -> None:
        """Take one record that was folded, and what it changed."""
        state = self._state
        self._records += 1
        at_ms = state.clock.now_ms
        for index, change in changes:
            if isinstance(change, TimeGapped):
                self._tell(Place(offset, index, at_ms), change)
        found = list(self._obedience.events(offset, record, at_ms, changes))
        for obeyed in found:
            self._obeyed(obeyed)
        if state.policy is not self._policy:
            self._policy_changed(found)
        if state.is_quality_suspended != self._is_quality_suspended:
            self._is_quality_suspended = state.is_quality_suspended
            text = "too many hosts are bad: none is held back for its quality"
            is_on = state.is_quality_suspended
            told = Said("safety", "guard" if is_on else "guard over", text, "warning")
            self._add(Place(offset, 0, at_ms), told if is_on else told._replace(weight=""))

    def _obeyed(self, obeyed: Obeyed) -> None:
        place, event, changes = obeyed.place, obeyed.event, obeyed.changes
        is_refused = any(isinstance(each, ProposalRefused) for each in changes)
        body: object = event.body if isinstance(event, Copied) else event
        is_rejected = any(isinstance(each, JobRejected) for each in changes)
        if not (is_refused and isinstance(body, KillTask | PreemptTask)):
            self._tell(place, body, was=" (refused)" if is_rejected else "")
        if isinstance(body, RoundRecord):
            for refusal in body.refusals:
                self._tallies.jobs.add(refusal.job_id, "refused by rounds", place.spot)
        elif isinstance(body, HostJudged):
            self._evidence(place, body)
        for change in changes:
            if isinstance(change, TaskChanged):
                self._task_changed(place, change)
            else:
                self._tell(place, change)

    def _evidence(self, place: Place, body: HostJudged) -> None:
        hostname = self._state.hostname(body.host_id)
        for each in body.evidence:
            name = f"{each.kind}: {template_of(each.text)}"
            self._tallies.templates.add(name, "seen", place.spot, hostname, each.count)

    def _task_changed(self, place: Place, change: TaskChanged) -> None:
        tallies, spot = self._tallies, place.spot
        host = change.hostname or (self._state.hostname(change.host_id) if change.host_id else "")
        if self._last_states.get(change.task_id) == change.state:
            return  # A step within a state, or an ending that Mesos says again.
        if change.task_id in self._last_states or len(self._last_states) < TASKS_FOLLOWED_MAX:
            self._last_states[change.task_id] = change.state
        self._steps[change.state] += 1
        if change.state in _MOVES:
            tallies.jobs.add(change.job_id, change.state, spot)
            if host:
                tallies.hosts.add(host, change.state, spot)
        if change.state == "Disconnected":
            text = f"disconnected with its host {host}"
            self._add(place, Said("hosts", "disconnected", text, "warning"), change)
        if change.state != "Finished":
            return
        self._ends[change.reason] += 1
        is_good = change.reason in GOOD_ENDS
        tallies.jobs.add(change.job_id, "ended" if is_good else "failed", spot)
        if host:
            tallies.hosts.add(host, "ended" if is_good else "failed", spot)
        if not is_good:
            kind = f"{change.reason}: {template_of(change.message)}".rstrip(": ")
            tallies.failures.add(kind, "tasks", spot, change.task_id)
            text = f"{change.reason}. {change.message}{f' On {host}.' if host else ''}"
            self._add(place, Said("endings", change.reason, text, "warning"), change)

    def _policy_changed(self, found: Iterable[Obeyed]) -> None:
        """Tell which parts of the policy are others, and who asked for it."""
        state = self._state
        parts = differences(self._policy, state.policy)
        self._policy = state.policy
        shown = [f"{each.path}: {each.before} → {each.after}" for each in parts[:PARTS_MAX]]
        if len(parts) > PARTS_MAX:
            shown.append(f"and {len(parts) - PARTS_MAX} more")
        for obeyed in reversed(list(found)):
            event = obeyed.event
            body = event.body if isinstance(event, Copied) else event
            if isinstance(body, _POLICY_EVENTS):
                why = getattr(body, "why", "")
                text = f"version {state.policy_version}{f', {why}' if why else ''}. "
                said = Said("policy", "policy set", text + "; ".join(shown), "warning")
                self._add(obeyed.place, said, body)
                return

    def _tell(self, place: Place, thing: object, was: str = "") -> None:
        said = said_of(thing)
        if said is not None:
            self._add(place, said._replace(what=said.what + was), thing)

    def _add(self, place: Place, said: Said, thing: object = None) -> None:
        self._totals[said.section] += 1
        lines = self._lines[said.section]
        if len(lines) >= LINES_KEPT_MAX:
            return
        lines.append(self._line(place, said, thing))

    def _line(self, place: Place, said: Said, thing: Any) -> IncidentLine:  # noqa: ANN401
        """A line with what the event or change is about, by the names that all kinds have."""
        task_id = str(getattr(thing, "task_id", "") or "")
        job_id = str(getattr(thing, "job_id", "") or "") or job_id_of(TaskId(task_id)) or ""
        host_id = HostId(getattr(thing, "host_id", "") or "")
        hostname = str(getattr(thing, "hostname", "") or "")
        return IncidentLine(
            address=self._address(place.spot),
            at_ms=place.at_ms,
            what=said.what,
            text=" ".join(said.text.split())[:TEXT_CHARACTERS_MAX],
            weight=said.weight,
            job_id=job_id,
            task_id=task_id,
            host_id=str(host_id),
            hostname=hostname or (self._state.hostname(host_id) if host_id else ""),
            actor=str(getattr(thing, "actor", "") or ""),
        )

    def _address(self, spot: tuple[int, int]) -> str:
        return str(Address(self._state.cell, self._state.generation, *spot))

    def section(self, name: SectionName, limit: int, skip: int = 0) -> Section:
        """A page of a section's lines."""
        lines = self._lines[name]
        page = tuple(lines[skip : skip + limit])
        following = skip + len(page)
        return Section(
            name=name,
            title=TITLES[name],
            lines=page,
            total=self._totals[name],
            next_skip=following if page and following < len(lines) else 0,
            dropped=self._totals[name] - len(lines),
        )

    def incident(self, newest: State, limit: int, alerts: Sequence[RuleAlert] = ()) -> Incident:
        """All of the stretch; ``newest`` is the newest state, which knows the notes.

        Of ``alerts`` those are told that fired within it.
        """
        state = self._state
        last = end_of(state)
        jobs = (self._jobs_before, tasks_of_jobs(state))
        hosts = (self._hosts_before, tasks_of_hosts(state))
        notes = notes_between(newest, self._first.at_ms, last.at_ms)
        return Incident(
            cell=state.cell,
            first=self._first,
            last=last,
            records=self._records,
            replay_from=self._first.address,
            replay_to=last.address,
            sections=tuple(self.section(name, limit) for name in TITLES),
            movers=self._tallies.movers(self._address, jobs, hosts),
            steps=dict(sorted(self._steps.items())),
            ends=dict(sorted(self._ends.items())),
            rule_alerts=tuple(
                each
                for each in alerts
                if each.fired_ms <= last.at_ms
                and (not each.resolved_ms or each.resolved_ms >= self._first.at_ms)
            ),
            notes=notes[-NOTES_SHOWN_MAX:],
            notes_total=len(notes),
        )


def end_of(state: State) -> End:
    """The cell as it stands."""
    return End(
        address=str(Address(state.cell, state.generation, state.next_offset - 1)),
        at_ms=state.clock.now_ms,
        leader=state.leader,
        policy_version=state.policy_version,
        hosts=len(state.hosts),
        tasks_on_hosts=sum(map(len, state.host_tasks.values())),
        waiting=state.queued_tasks,
        is_safe=state.safe is not None,
    )


def tasks_of_jobs(state: State) -> dict[str, int]:
    """Tasks on hosts, by job."""
    return {str(job_id): count for job_id, count in state.on_hosts.items()}


def tasks_of_hosts(state: State) -> dict[str, int]:
    """Tasks on hosts, by the host's name."""
    found: Counter[str] = Counter()
    for host_id, tasks in state.host_tasks.items():
        found[state.hostname(host_id)] += len(tasks)
    return dict(found)


def notes_between(state: State, first_ms: int, last_ms: int) -> tuple[ShownNote, ...]:
    """Operators' notes of what overlaps the stretch, by the time that they are of."""
    return tuple(
        each for each in shown_notes(state) if each.from_ms <= last_ms and each.to_ms >= first_ms
    )


def shown_notes(state: State) -> tuple[ShownNote, ...]:
    """All notes that are kept, by the time that they are of."""
    found = [
        ShownNote(
            each.address, each.at_ms, each.from_ms, each.to_ms, each.text, each.actor, each.about
        )
        for each in state.incident_notes.values()
    ]
    return tuple(sorted(found, key=lambda each: (each.from_ms, each.at_ms, each.address)))

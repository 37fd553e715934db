"""Which hosts fixed constraints allow, and what soft ones are worth there, as arrays.

The one thing to know: a fixed constraint is asked once for each value of the attribute that it
looks at, by the same function that the fold's re-check uses; the rest is looking values up.
"""

from typing import Final

import numpy as np

from scheduler.constraints import fixed, moving
from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.columns import Array, Columns, Flags

_KEPT_MAX: Final = 512


class Masks:
    """Answers of fixed constraints for all hosts, kept until hosts or their attributes change."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._version = -1
        self._allowed: dict[Constraint | frozenset[str], Flags] = {}

    def allowed(self, constraint: Constraint) -> Flags:
        """The rows that keep the constraint."""
        return self._kept(constraint)

    def tolerating(self, tolerated: frozenset[str]) -> Flags | None:
        """The rows whose taints are all tolerated; None where no host has any."""
        _, values = self._columns.codes(self._columns.rules.taints_attribute)
        return None if len(values) == 1 else self._kept(tolerated)

    def _kept(self, asked: Constraint | frozenset[str]) -> Flags:
        if self._version != self._columns.version:
            self._allowed.clear()
            self._version = self._columns.version
        known = self._allowed.get(asked)
        if known is None:
            if len(self._allowed) >= _KEPT_MAX:
                self._allowed.pop(next(iter(self._allowed)))
            known = self._allowed[asked] = self._made(asked)
        return known

    def _made(self, asked: Constraint | frozenset[str]) -> Flags:
        columns = self._columns
        rules = columns.rules
        if isinstance(asked, frozenset):
            name = rules.taints_attribute
            codes, values = columns.codes(name)
            kept = [
                not fixed.taint_refusal(asked, {} if value is None else {name: value}, rules)
                for value in values
            ]
            return np.array(kept, np.bool_)[codes]
        if asked.kind == "machineId":
            flags = np.zeros(columns.length, np.bool_)
            for slot in columns.slots:
                if slot is not None and slot.view is not None:
                    refused = fixed.refusal(
                        asked, slot.attributes, slot.host_id, slot.view.hostname, rules
                    )
                    flags[slot.row] = not refused
            return flags
        name = fixed.attribute_of(asked, rules)
        codes, values = columns.codes(name)
        kept = [
            not fixed.refusal(asked, {} if value is None else {name: value}, HostId(""), "", rules)
            for value in values
        ]
        return np.array(kept, np.bool_)[codes]


def near_flags(constraint: Constraint, job_id: JobId, columns: Columns) -> Flags:
    """The rows that keep a nearJob or awayFromJob now."""
    other = JobId(constraint.values[0])
    is_near = constraint.kind == "nearJob"
    if is_near and other == job_id and not columns.has_tasks(other):
        return np.ones(columns.length, np.bool_)
    if not constraint.attribute:
        flags = np.zeros(columns.length, np.bool_)
        flags[list(columns.jobs.rows.get(other, ()))] = True
    else:
        codes, values = columns.codes(constraint.attribute)
        counts = columns.counts(other, constraint.attribute)
        flags = np.array(
            [value is not None and counts.get(value, 0) > 0 for value in values], np.bool_
        )[codes]
    return flags if is_near else ~flags


def moving_flags(constraint: Constraint, job_id: JobId, columns: Columns) -> Flags | None:
    """The rows that keep a constraint that depends on tasks; None: it is a balance, not of rows."""
    match constraint.kind:
        case "uniqueHost":
            flags = np.ones(columns.length, np.bool_)
            flags[list(columns.jobs.rows.get(job_id, ()))] = False
            return flags
        case "exclusiveHost":
            empty: Flags = columns.tasks == 0
            return empty
        case "activeHost":
            active: Flags = columns.last_choice == 0
            return active
        case "nearJob" | "awayFromJob":
            return near_flags(constraint, job_id, columns)
        case _:
            return None


def moving_points(constraint: Constraint, job_id: JobId, columns: Columns) -> Array | int:
    """What a soft constraint that depends on tasks is worth on each row, balances left out."""
    if constraint.kind == "uniqueHost":
        counts = columns.tasks_of(job_id)
        if isinstance(counts, int):
            return FITNESS_MAX
        points: Array = np.where(counts == 0, FITNESS_MAX, moving.TAKEN // np.maximum(counts, 1))
        return points
    flags = moving_flags(constraint, job_id, columns)
    return 0 if flags is None else flags * np.int64(FITNESS_MAX)

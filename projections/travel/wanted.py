"""Which rows of a table of notes somebody wants.

The one thing to know: whoever keeps the rows, in memory, folded or archived, asks the same value.
"""

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from projections.travel.notes import Note


class Wanted(msgspec.Struct, frozen=True):
    """Rows that agree with all that is given; empty texts ask for nothing."""

    job_id: str = ""
    task_id: str = ""
    host_id: str = ""
    kind: str = ""

    def given(self) -> dict[str, str]:
        """What must agree, by the name of the column."""
        named = zip(self.__struct_fields__, msgspec.structs.astuple(self), strict=True)
        return {name: value for name, value in named if value}

    def has(self, row: "Note") -> bool:
        """Whether the row is wanted."""
        return (
            (not self.job_id or row.job_id == self.job_id)
            and (not self.task_id or row.task_id == self.task_id)
            and (not self.host_id or row.host_id == self.host_id)
            and (not self.kind or row.kind == self.kind)
        )


EVERYTHING: Final = Wanted()


class Subjects(msgspec.Struct, frozen=True):
    """Rows of any of these jobs, or of any of these hosts."""

    job_ids: frozenset[str]
    host_ids: frozenset[str]

    def has(self, row: "Note") -> bool:
        """Whether the row is of one of them."""
        return row.job_id in self.job_ids or row.host_id in self.host_ids

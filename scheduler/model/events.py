"""Everything that may stand in the cell log.

The one thing to know: this union is closed and published. A new meaning is a new name; the hash
of every published shape is in `scheduler.model.schemas`, and a test compares them.
"""

from typing import Literal

import msgspec

from scheduler.model.address import Source
from scheduler.model.base import Ours
from scheduler.model.ids import CellName, CellUuid, Generation, HostId, JobId, ProposalId
from scheduler.model.inbound import InboundBody
from scheduler.model.policy import Policy
from scheduler.model.proposals import PreemptTask, Proposal
from scheduler.model.volumes import VolumeMeasured, VolumeWorkEnded, VolumeWorkStarted


class CellCreated(Ours, frozen=True):
    """Record 0 of a cell that begins: who it is. Any later one is ignored."""

    cell: CellName
    cell_uuid: CellUuid
    generation: Generation


class CellContinued(Ours, frozen=True):
    """Record 0 of a cell that moved to another Kafka: where its history stands."""

    cell: CellName
    cell_uuid: CellUuid
    generation: Generation
    previous_generation: Generation
    previous_offset: int
    digest_version: int
    digest: str


class FoldVersion(Ours, frozen=True):
    """From here on the log is folded by rules number ``version``."""

    version: int


class PolicySet(Ours, frozen=True):
    """From here on the fold decides by these numbers; ``version`` counts up from 1."""

    version: int
    policy: Policy


class LeaderElected(Ours, frozen=True):
    """A candidate leads; the offset of this record is its epoch. It stands alone in its record."""

    candidate: str
    """The static name of the process (its group membership)."""
    incarnation: str
    """Chosen by the process at its start, so that it knows its own record again."""
    build: str = ""


class Tick(Ours, frozen=True):
    """Time passes; the first one after an election says that the inbound backlog is copied."""

    published_offset: int = -1
    """Every change up to this offset of the cell log is in topic ``job-events``."""


class Mark(Ours, frozen=True):
    """Every fold keeps its digest of the state at this place."""


class SumCell(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Sums over some entities of one kind, from which a single differing one can be named."""

    count: int
    total: str
    """The sum of the entities' values, hexadecimal."""
    weighted: str
    """The sum of each value times its key's number: two such sums differ by the key that does."""


class KindSums(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The sums of one kind of entity; each cell but the last holds about half of what is left."""

    kind: str
    cells: tuple[SumCell, ...]


class Checkpoint(Ours, frozen=True):
    """The leader's digest at an earlier `Mark`; a fold that differs halts.

    ``chain`` is the digest of all raw records up to and with the mark's, ``sums`` say where the
    states differ if they do; both are empty where the writer knew neither.
    """

    mark_offset: int
    digest_version: int
    digest: str
    chain: str = ""
    sums: tuple[KindSums, ...] = ()


class Copied(Ours, frozen=True):
    """An inbound record, in the cell's own order; taken only where the gap rule holds."""

    source: Source
    body: InboundBody
    observed_at_ms: int = 0
    """The inbound record's own timestamp."""


class RuleRefusal(
    msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """How many hosts one rule refused, and the host that came nearest to passing it."""

    rule: str
    hosts: int
    nearest_host_id: HostId | None = None
    missing: str = ""
    """What the nearest host lacked, in words with units."""


class ClassRefusal(
    msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """Why the waiting tasks of one job were not placed in a round, and what could change it."""

    job_id: JobId
    waiting: int
    refusals: tuple[RuleRefusal, ...]
    wake: str
    """The event that could change the answer, in words."""

    @property
    def gist(self) -> tuple[str, ...]:
        """What would change, and by which rules: numbers of hosts vary without news."""
        return (self.wake, *(each.rule for each in self.refusals))


FitnessParts = tuple[tuple[str, int], ...]
"""Parts of a fitness by name, each 0 to 1,000."""


class ClassPlacement(
    msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """Why tasks of one job went where they went: of the first host chosen, for all of them."""

    job_id: JobId
    placed: int
    host_id: HostId
    fitness: int
    """The weighted mean of the parts, 0 to 1,000."""
    parts: FitnessParts
    runner_up: HostId | None = None
    """The best of the hosts not chosen; None where no other would do."""
    runner_up_fitness: int = 0
    runner_up_parts: FitnessParts = ()


Amounts = tuple[int, int, int, int, int]
"""cpu_milli, memory_mib, disk_mib, network_mbps, thousandths of devices."""


class Troughs(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What the cell has, what is allocated of it, and what is guaranteed and not allocated."""

    total: Amounts
    allocated: Amounts
    opportunistic: Amounts
    """The part of the allocated that is opportunistic."""
    guaranteed: Amounts
    not_allocated: Amounts
    """Guaranteed to groups and not allocated to them."""


class Promised(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Room on a host that is being freed for tasks of a job, until they use it."""

    host_id: HostId
    job_id: JobId
    count: int
    at_ms: int


class RoundRecord(Ours, frozen=True):
    """What one round of `decide()` knew and did; it stands before its proposals.

    ``refusals`` has the classes whose refusal is new, another than the one written before, or was
    written long ago; of all others that wait, the one written last still holds.
    """

    policy_version: int
    inputs_seen: int
    """The fold's count of what could change an answer; a later input wakes the next round."""
    mesos_offset: int
    """The last record of topic ``mesos`` that the round had seen."""
    waiting: int
    placed: int
    hosts: int
    refusals: tuple[ClassRefusal, ...] = ()
    unexplained: int = 0
    """Classes whose refusal is to be written and did not fit; they come with the next rounds."""
    mode: str = "normal"
    """The mode of placement in force (`scheduler.model.rules.Mode`)."""
    placements: tuple[ClassPlacement, ...] = ()
    """Why what was placed was placed there, by job, as many as the policy explains."""
    troughs: Troughs | None = None
    promises: tuple[Promised, ...] = ()
    """Room that is being freed, of all rounds until now; the next round keeps it."""
    again_at_ms: int = 0
    """When time alone could change an answer (a rate, an age); 0: it cannot."""


class EffectStarted(Ours, frozen=True):
    """The outbox is about to carry this decision out; it acts after reading this back."""

    proposal_id: ProposalId


class EffectEnded(Ours, frozen=True):
    """How the call ended: ``sent`` (2xx), ``refused`` (4xx, 503), or ``unknown``."""

    proposal_id: ProposalId
    fate: Literal["sent", "refused", "unknown"]
    detail: str = ""
    exit_code: int | None = None
    """Of a script that was run on a host."""
    output: str = ""
    """The end of what it wrote."""


CellEvent = (
    CellCreated
    | CellContinued
    | FoldVersion
    | PolicySet
    | LeaderElected
    | Tick
    | Mark
    | Checkpoint
    | Copied
    | RoundRecord
    | Proposal
    | PreemptTask
    | EffectStarted
    | EffectEnded
    | VolumeWorkStarted
    | VolumeWorkEnded
    | VolumeMeasured
)
"""All events and proposals of the cell log."""


class CellRecord(Ours, frozen=True, tag=False):
    """One record of the cell log: 1 to 1,000 events of one writer and one epoch.

    ``epoch`` is the offset of the writer's `LeaderElected` (-1 before there is one); the fold
    ignores writers of other epochs than the current. ``at_ms`` is the leader's wall clock.
    """

    version: int
    epoch: int
    at_ms: int
    events: tuple[CellEvent, ...]

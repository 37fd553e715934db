"""Copies of inbound records: the gap rule, and which rule each kind of body goes to.

The one thing to know: a copy is taken only where its ``previous_offset`` is the watermark. Lower
means that it was taken before, higher that something is missing: either way it changes nothing,
and ingest, which reads the watermark back, starts again from there. Nothing is lost or doubled,
however often ingest dies.
"""

from typing import assert_never

from scheduler.fold.context import Fold
from scheduler.fold.jobs import job_kill_asked, job_scale_asked, job_submitted, task_kill_asked
from scheduler.fold.mesos import (
    ask_again,
    offers_changed,
    orphan_forgotten,
    status_updated,
    stream_ended,
    subscribed,
    unrecognised,
)
from scheduler.fold.noise import host_noise_measured
from scheduler.fold.rules import host_ordered, policy_asked, rules_asked, rules_change_asked
from scheduler.fold.safe import finding_confirmed, finding_rejected, kills_by, page_once
from scheduler.model.address import Source
from scheduler.model.changes import CellPaged, JobRejected, RequestAccepted
from scheduler.model.events import Copied
from scheduler.model.inbound import (
    FindingConfirmed,
    FindingRejected,
    HostNoiseMeasured,
    HostOrdered,
    InboundBody,
    InboundLost,
    InboundRejected,
    JobKillAsked,
    JobScaleAsked,
    JobSubmitted,
    OffersChanged,
    OrphanForgotten,
    PartitionBegan,
    PolicyAsked,
    RecordSkipped,
    RulesAsked,
    RulesChangeAsked,
    TaskKillAsked,
)
from scheduler.model.mesos import HostFailed, StatusUpdate, StreamEnded, Subscribed, Unrecognised
from scheduler.state import NO_OFFSET, Watermark


def copied(fold: Fold, event: Copied) -> None:
    """Take the copy if it is the next of its partition."""
    state, source = fold.state, event.source
    lane = (source.topic, source.partition)
    known = state.watermarks.get(lane)
    if not _is_next(known, source, event.body):
        return
    if known is not None and known.generation != source.generation:
        _begun_anew(fold, source, known)
    state.watermarks[lane] = Watermark(source.generation, source.offset)
    state.dirty["watermark"].add(lane)
    if source.topic == "mesos":
        state.stream.mesos_offset = source.offset
    _taken(fold, source, event.body)


def _begun_anew(fold: Fold, source: Source, known: Watermark) -> None:
    """Page for a partition that another one has taken the place of, and ask what it cannot say."""
    page_once(
        fold,
        "topic made anew",
        f"{source.topic}[{source.partition}] {source.generation}",
        what=f"topic {source.topic} was made anew",
        why=f"its partition {source.partition} was generation {known.generation}, copied up to "
        f"{known.offset}, and is {source.generation} now: what stood behind that is lost. "
        "Producers send again what was not answered",
    )
    if source.topic == "mesos" and fold.state.stream.stream_id is not None:
        ask_again(fold)  # An ending may have been among what is lost.


def _is_next(mark: Watermark | None, source: Source, body: InboundBody) -> bool:
    if mark is None:
        return source.previous_offset == NO_OFFSET
    if mark.generation != source.generation:
        # The partition begins anew on another Kafka: only its first record may say so.
        return isinstance(body, PartitionBegan) and source.previous_offset == NO_OFFSET
    return source.previous_offset == mark.offset and source.offset > mark.offset


def _taken(  # noqa: C901, PLR0912 - one arm for each kind of body, and mypy proves that none is missing
    fold: Fold, source: Source, body: InboundBody
) -> None:
    match body:
        case StatusUpdate():
            status_updated(fold, body)
        case OffersChanged():
            offers_changed(fold, source, body)
        case Subscribed():
            subscribed(fold, body)
        case StreamEnded():
            stream_ended(fold, body)
        case JobSubmitted():
            job_submitted(fold, source, body)
        case JobKillAsked():
            killing = len(fold.state.killing)
            job_kill_asked(fold, source, body)
            kills_by(fold, body.actor, killing)
        case JobScaleAsked():
            killing = len(fold.state.killing)
            job_scale_asked(fold, source, body)
            kills_by(fold, body.actor, killing)
        case TaskKillAsked():
            killing = len(fold.state.killing)
            task_kill_asked(fold, source, body)
            kills_by(fold, body.actor, killing)
        case InboundRejected():
            fold.report(JobRejected(source=source, faults=body.faults, job_id=body.job_id))
        case PolicyAsked():
            policy_asked(fold, source, body)
        case RulesAsked():
            rules_asked(fold, source, body)
        case RulesChangeAsked():
            rules_change_asked(fold, source, body)
        case HostOrdered():
            host_ordered(fold, source, body)
        case HostNoiseMeasured():
            host_noise_measured(fold, source, body)
        case OrphanForgotten():
            orphan_forgotten(fold, body)
            fold.report(RequestAccepted(source=source, what="forget orphan"))
        case FindingConfirmed():
            finding_confirmed(fold, source, body)
        case FindingRejected():
            finding_rejected(fold, source, body)
        case InboundLost():
            why = f"records {body.first_offset} to {body.last_offset} of {source} were lost"
            what, key = "Kafka dropped records before they were copied", source.topic
            fold.report(CellPaged(what=what, why=why, kind="records lost", key=key))
            if source.topic == "mesos" and fold.state.stream.stream_id is not None:
                ask_again(fold)  # An ending may have been among them.
        case PartitionBegan():
            pass  # It set the watermark, which is all it says.
        case RecordSkipped():
            fold.report(RequestAccepted(source=source, what=f"skip record {body.offset}"))
        case Unrecognised():
            unrecognised(fold, body)
        case HostFailed():
            pass  # A fact for people; the tasks' own updates say what it means for us.
        case _:
            assert_never(body)

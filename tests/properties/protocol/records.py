"""The words of the model: records of the cell log and of the inbound topics, and the rules.

The one thing to know: `Rules` names every rule the protocol rests on; a test switches one off and
must then find a violation. All values are frozen; an address is a plain offset (one partition).
"""

from __future__ import annotations

from dataclasses import dataclass

Subscription = tuple[int, int]
"""Epoch of the leader and its count of streams within it: ordered, as stream ids are not."""

NEVER: Subscription = (-1, -1)


@dataclass(frozen=True)
class Rules:
    """Each rule of the protocol, as a switch; all on is the protocol, one off is a mutant."""

    # The fold.
    gap_check: bool = True
    epochs_obeyed: bool = True
    preconditions_checked: bool = True
    start_needs_standing_proposal: bool = True
    unstarted_requeued: bool = True
    offer_comes_back: bool = True
    fate_needs_fence: bool = True
    stale_streams_ignored: bool = True
    stale_endings_kept: bool = True
    silence_waits: bool = True
    judged_on_current_stream: bool = True
    returned_are_killed: bool = True
    refusal_suspends: bool = True
    # The leader.
    election_of_this_life: bool = True
    read_back_before_act: bool = True
    decides_after_subscribed: bool = True
    subscribed_event_awaited: bool = True
    accept_sent_once: bool = True
    open_accept_blocks_calls: bool = True
    timeout_resubscribes: bool = True
    ack_after_record: bool = True
    lane_failure_resubscribes: bool = True
    ingest_seeks_back: bool = True
    ingest_from_watermark: bool = True
    failed_write_ends_epoch: bool = True
    one_round_outstanding: bool = True
    reconciles_all: bool = True
    reconciles_implicitly: bool = True
    silent_asked_again: bool = True


# Inbound: topic `jobs`.


@dataclass(frozen=True)
class Submit:
    """A user wants one more index to run."""

    index: int


@dataclass(frozen=True)
class KillIndex:
    """A user wants an index to end."""

    index: int


# Inbound: topic `mesos`, written by the leader's connector. Each names its subscription.


@dataclass(frozen=True)
class Subscribed:
    """Mesos has moved the framework to this stream; all earlier offers are void."""

    subscription: Subscription


@dataclass(frozen=True)
class Offered:
    """Mesos offers a host."""

    subscription: Subscription
    offer: int
    host: str


@dataclass(frozen=True)
class Rescinded:
    """Mesos takes an offer back."""

    subscription: Subscription
    offer: int


@dataclass(frozen=True)
class Status:
    """Mesos says something of a task; with a uuid it repeats until it is acknowledged."""

    subscription: Subscription
    task: int
    state: str
    uuid: int | None


Inbound = Submit | KillIndex | Subscribed | Offered | Rescinded | Status
Speech = Subscribed | Offered | Rescinded | Status


# The cell log. `write` identifies the producer's attempt, so that a writer knows its own records.


@dataclass(frozen=True)
class LeaderElected:
    """A candidate leads; the epoch is this record's offset."""

    write: int


@dataclass(frozen=True)
class Copy:
    """Ingest's copy of an inbound record."""

    write: int
    epoch: int
    topic: str
    offset: int
    previous_offset: int
    body: Inbound


@dataclass(frozen=True)
class LaunchTask:
    """Proposal: start a task of this index in this offer; the task's id is the record's offset."""

    write: int
    epoch: int
    index: int
    offer: int


@dataclass(frozen=True)
class KillTask:
    """Proposal: end a task."""

    write: int
    epoch: int
    task: int


@dataclass(frozen=True)
class Reconcile:
    """Proposal: ask Mesos for these tasks, and (implicitly) for all it knows."""

    write: int
    epoch: int
    tasks: tuple[int, ...]
    implicit: bool


@dataclass(frozen=True)
class JudgeLost:
    """Proposal without effect: a task unreachable for too long is written off."""

    write: int
    epoch: int
    task: int


@dataclass(frozen=True)
class EffectStarted:
    """The outbox is about to act on a proposal, on this subscription."""

    write: int
    epoch: int
    proposal: int
    subscription: Subscription


@dataclass(frozen=True)
class EffectEnded:
    """How Mesos answered the call: `accepted`, `refused` (surely not done) or `unknown`."""

    write: int
    epoch: int
    proposal: int
    answer: str


@dataclass(frozen=True)
class Tick:
    """The leader's clock."""

    write: int
    epoch: int


Proposal = LaunchTask | KillTask | Reconcile | JudgeLost
CellRecord = LeaderElected | Copy | Proposal | EffectStarted | EffectEnded | Tick

FINAL_STATES = frozenset({"FINISHED", "FAILED", "KILLED"})
"""Endings told by the agent, with a uuid: facts, from whatever stream they come."""

INFERRED_ENDINGS = frozenset({"GONE", "UNKNOWN", "DROPPED"})
"""Endings told by the master, without a uuid, about a task it does not know."""


class ViolationError(AssertionError):
    """A promise of the protocol was broken."""

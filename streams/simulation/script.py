"""What happens to a simulated cell, and when: a list of deeds, drawn from a seed or read.

The one thing to know: a run depends on its script alone. The seed inside it names the small
chances (latencies, how long tasks run), so that a script with a deed left out is a run of its own,
and the shortest one that still fails can be kept and repeated.
"""

from typing import Final, Literal

import msgspec

What = Literal[
    # What users and operators do.
    "submit-service",
    "submit-batch",
    "submit-twice",
    "submit-rubbish",
    "scale",
    "kill-job",
    "kill-task",
    "shrink",
    "set-policy",
    "drain-host",
    "evict-task",
    # What breaks in a process.
    "crash",
    "crash-at-point",
    "crash-all",
    "freeze",
    "jump-clock",
    "reassign",
    # What breaks in Kafka.
    "stall-kafka",
    "cut-from-kafka",
    "late-acknowledgements",
    "poison-log",
    "drop-inbound",
    "poison-mesos",
    # What breaks in Mesos and between.
    "cut-from-mesos",
    "fail-over-master",
    "flap-host",
    "cut-host",
    "cut-zone",
    "kill-host",
    "rescind",
    "rescind-under-decisions",
    "shuffle-updates",
    "double-updates",
    "lose-calls",
    "delay-calls",
    "stranger-task",
    # What breaks in the store of snapshots.
    "take-snapshot",
    "spoil-snapshot",
    "fail-store",
]


class Deed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is done to the cell: when, what, to whom, for how long, how much."""

    at_s: float
    what: What
    target: int = 0
    """Which process, host, job or point: counted, and taken modulo how many there are."""
    for_s: float = 0.0
    amount: int = 0


class Script(msgspec.Struct, frozen=True):
    """A whole run: everything that it depends on."""

    seed: int
    hours: float
    tick_s: float
    hosts: int
    deeds: tuple[Deed, ...]
    calm_s: float = 2_700.0
    """The last part of the run, in which no deed is done and the jobs have to settle."""
    version: int = 1


CALM_S: Final = 2_700.0
"""45 minutes: a question to Mesos is repeated after up to five, a silent start is given up after
twelve, and its replacement may meet the same."""


def encode_script(script: Script) -> bytes:
    """The script as JSON for a file, one deed a line."""
    head = msgspec.json.encode(msgspec.structs.replace(script, deeds=()))
    lines = b",\n  ".join(msgspec.json.encode(deed) for deed in script.deeds)
    return head.replace(b'"deeds":[]', b'"deeds":[\n  ' + lines + b"\n]") + b"\n"


def decode_script(data: bytes) -> Script:
    """The script that a file holds; raises msgspec's errors where it is none."""
    return msgspec.json.decode(data, type=Script)

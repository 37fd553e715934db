"""What must hold when a load is over: nothing left behind, and every fold has the same state.

The one thing to know: the state is compared where it cannot move any more. This process stops
reading, and its fold's digest is held against a fold that begins at a snapshot out of the store and
reads the rest from Kafka; then that one goes on to where the api answers from, and is held against
the digest that the api says.
"""

from collections import Counter
from typing import Final

import msgspec
import orjson

from connectors.objects.opening import open_store
from streams.cell.follower import Follower
from streams.cell.lane import log_end
from streams.drills.looks import state_of
from streams.history.kafka_log import KafkaLog
from streams.kafka.generations import INBOUND
from streams.load.installation import LoadInstallation
from streams.load.watching import Watch
from streams.snapshots.loading import Bases, followed_to
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import SnapshotTaker

UPDATES_LEFT_S_MAX: Final = 60.0
JOURNAL: Final = "journal.jsonl"
LAUNCH: Final = b'"LAUNCH"'


class Digest(msgspec.Struct, frozen=True):
    """Two digests of one state at one offset."""

    of: str
    offset: int
    ours: str
    theirs: str

    @property
    def is_equal(self) -> bool:
        """Whether both folds came to the same."""
        return self.ours == self.theirs


class Proof(msgspec.Struct, frozen=True):
    """What was found at the end."""

    lag: dict[str, int]
    """Records that the cell had not copied of each inbound topic; of its own log those that were
    not yet folded (``cell``), and those whose changes were not yet published (``job-events``)."""
    digests: list[Digest]
    snapshot: str
    launched: int
    """Tasks that the cluster's journal has a launch of."""
    launched_twice: int

    @property
    def is_good(self) -> bool:
        """Whether nothing was left behind, nothing doubled, and all folds are equal."""
        return (
            not any(self.lag.values())
            and bool(self.digests)
            and all(each.is_equal for each in self.digests)
            and not self.launched_twice
        )


async def lag_left(here: LoadInstallation, watch: Watch) -> dict[str, int]:
    """Records that the cell has not folded or told of, by topic, once it had a while to."""
    state = watch.follower.machine.state
    prefix = here.options.settings.topic_prefix
    left: dict[str, int] = {}
    for kind in INBOUND:
        topic = prefix + kind
        end = await log_end(here.kafka, topic, 0)

        def behind(kind: str = kind, end: int = end) -> int:
            known = next((w for k, w in state.watermarks.items() if k == (kind, 0)), None)
            return end - 1 - (known.offset if known else -1)

        await watch.until(lambda: behind() <= 0, UPDATES_LEFT_S_MAX)
        left[kind] = max(0, behind())
    changed_offset = watch.changed_offset

    def unpublished() -> int:
        return changed_offset - state.published_offset

    await watch.until(lambda: unpublished() <= 0, UPDATES_LEFT_S_MAX)
    left["job-events"] = max(0, unpublished())
    left["cell"] = watch.lane.lag
    return left


async def snapshot_of(here: LoadInstallation, follower: Follower) -> str:
    """The key of a snapshot of this fold as it is now, written, read back and proven."""
    taken = await SnapshotTaker(_shelf(here), follower, build="load").take()
    return taken.name.key


async def digests_of(here: LoadInstallation, watch: Watch) -> list[Digest]:
    """Digests of the same offsets by different folds; the watch must have stopped reading."""
    log = KafkaLog(here.kafka, here.cell_topic, 0)
    try:
        bases = Bases(_shelf(here), log)
        ours = watch.follower
        restored = await followed_to(bases, ours.wanted_offset)
        found = [
            Digest(
                "snapshot and tail",
                ours.wanted_offset,
                ours.machine.digest.value(),
                restored.machine.digest.value(),
            )
        ]
        there = state_of(here)
        later = await followed_to(bases, there.next_offset)
        found.append(Digest("api", there.next_offset, later.machine.digest.value(), there.digest))
        return found
    finally:
        await log.close()


def launches_in(here: LoadInstallation) -> tuple[int, int]:
    """How many tasks the cluster's master was told to launch, and how many of them twice."""
    counts: Counter[int] = Counter()
    with (here.cluster_dir / JOURNAL).open("rb") as lines:
        for line in lines:  # One at a time: a million launches leave a gigabyte of them.
            if LAUNCH in line and line.endswith(b"\n"):
                counts[hash(orjson.loads(line)["task_id"])] += 1
    return len(counts), sum(count > 1 for count in counts.values())


def _shelf(here: LoadInstallation) -> Shelf:
    settings = here.settings
    assert settings.store_url is not None, "a drill's installation has a store of its own"
    return Shelf(open_store(settings.store_url), settings.cell_names[0])

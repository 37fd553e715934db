"""However writes, rotations, ships, crashes and reads interleave, a reader gets each byte once.

A world is moved about by drawn steps: the task writes and rotates its own log, the agent looks and
ships, the store fails before or after it has done what it was asked, the agent is killed. A reader
follows each file meanwhile, piece by piece. At the end the host is gone, and both the reader who
followed and one who reads afterwards have exactly the bytes that were written.
"""

import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.tasklogs.layout import part_of
from connectors.tasklogs.limits import Limits
from connectors.web.cell import LogUnavailable
from tests.support.task_logs import JOB, TASK, LogWorld

PART = 8_192
LIMITS = Limits(part_bytes_max=PART, host_parts_max=1, file_bytes_max=512 * PART, files_max=8)
NAMES = ("stdout", "app.log")

STEPS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.integers(1, 3 * PART)),
    st.tuples(st.just("rotate"), st.just("app.log"), st.just(0)),
    st.tuples(st.just("look"), st.just(""), st.just(0)),
    st.tuples(st.just("ship"), st.just(""), st.just(0)),
    st.tuples(st.just("crash"), st.just(""), st.just(0)),
    st.tuples(st.just("weather"), st.sampled_from(("good", "before", "after")), st.just(0)),
    st.tuples(st.just("read"), st.sampled_from(NAMES), st.integers(1, 2 * PART)),
    st.tuples(st.just("later"), st.just(""), st.sampled_from((1_000, 30_000, 400_000))),
)


class Reader:
    """Follows the files, and knows what they ought to hold."""

    def __init__(self, world: LogWorld) -> None:
        self.world = world
        self.truth = dict.fromkeys(NAMES, b"")
        self.got = dict.fromkeys(NAMES, b"")
        self.offset = dict.fromkeys(NAMES, 0)
        self.rotations = 0
        # A log that is rotated twice between two looks has a file that nobody knew: it is kept
        # under the name it has then.
        self.is_looked = False

    def step(self, what: str, name: str, number: int) -> None:
        world = self.world
        match what:
            case "write":
                # Each eight bytes are another number: bytes of a wrong place are never right.
                begin = len(self.truth[name]) // 8
                data = b"".join(i.to_bytes(8) for i in range(begin, begin + number // 8 + 1))
                world.write(name, data)
                self.truth[name] += data
            case "rotate" if world.path(name).exists() and self.is_looked:
                self.rotations += 1
                world.path(name).rename(world.path(f"{name}.{self.rotations}"))
                world.path(name).touch()
                self.is_looked = False
            case "look":
                world.look()
                self.is_looked = world.path("app.log").exists()
            case "ship":
                world.ship()
            case "crash":
                world.crash()
            case "weather":
                world.store.weather = name  # type: ignore[assignment] # one of the three
            case "read":
                self.read(name, number)
            case "later":
                world.now_ms += number
            case _:
                pass

    def read(self, name: str, count: int) -> None:
        try:
            piece = self.world.read(name, self.offset[name], count)
        except LogUnavailable:
            return  # The store is away, or the file was not found yet: a reader comes again.
        assert piece.offset == self.offset[name]
        self.got[name] += piece.data
        self.offset[name] = piece.following
        assert self.truth[name].startswith(self.got[name]), f"wrong bytes of {name}"


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_each_byte_once_whatever_happens_in_between(steps: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = LogWorld(Path(folder), LIMITS)
        reader = Reader(world)
        try:
            for what, name, number in steps:
                reader.step(what, name, number)
            world.end()
            world.is_host_gone = True
            run = world.archive.run("main", JOB, TASK, is_new=True)
            assert run is not None
            assert set(run.files) <= set(NAMES), "a rotated file is no file of its own"
            for index in run.files.values():
                words = (each.key.rpartition("/")[2] for each in world.store.facts(index.prefix))
                parts = sorted(part for word in words if (part := part_of(word)))
                assert all(one.end == other.begin for one, other in pairwise(parts)), (
                    "no byte twice"
                )
            for name in NAMES:
                truth = reader.truth[name]
                if truth:
                    assert world.read_all(name) == truth
                    rest = world.read_all(name, reader.offset[name])
                    assert reader.got[name] + rest == truth
        finally:
            world.shipper.close()

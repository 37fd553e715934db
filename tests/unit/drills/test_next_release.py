"""The next release of the drill is a build of its own: it reads what this one writes, not reversed.

Proven with both builds in processes of their own, over records as they stand in a log.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.model.codec import RECORD_VERSION, Undecodable, decode_record, encode_record
from scheduler.model.events import CellRecord, Tick
from streams.drills.next_release import NEW_NAME, OLD_NAME, make_next_release
from streams.supervise.parts import child_environment

AGAIN = """
import sys
from scheduler.model.codec import RECORD_VERSION, decode_record, encode_record
record = decode_record(sys.stdin.buffer.read())
assert record.version == RECORD_VERSION, record
sys.stdout.buffer.write(encode_record(record))
"""


@pytest.fixture(scope="module")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout, one schema version ahead."""
    return make_next_release(tmp_path_factory.mktemp("next") / "release")


def _through(release: Path, data: bytes) -> bytes:
    done = subprocess.run(
        [sys.executable, "-P", "-c", AGAIN],
        input=data,
        env=child_environment({"PYTHONPATH": str(release)}),
        capture_output=True,
        check=True,
    )
    return done.stdout


@pytest.mark.integration  # It starts processes.
def test_it_lifts_our_records_and_we_refuse_its_own(next_release: Path) -> None:
    ours = encode_record(
        CellRecord(RECORD_VERSION, epoch=1, at_ms=3, events=(Tick(published_offset=4),))
    )
    lifted = _through(next_release, ours)
    assert f'"{NEW_NAME}":4'.encode() in lifted
    assert OLD_NAME.encode() not in lifted
    assert _through(next_release, lifted) == lifted
    with pytest.raises(Undecodable, match=f"version {RECORD_VERSION + 1}, this build knows"):
        decode_record(lifted)


@pytest.mark.slow
def test_nothing_of_it_speaks_of_the_old_name_but_its_upcaster(next_release: Path) -> None:
    speaking = {
        path.relative_to(next_release).as_posix()
        for path in next_release.rglob("*.py")
        if OLD_NAME in path.read_text("utf-8")
    }
    assert speaking == {"scheduler/model/codec.py", "streams/drills/next_release.py"}

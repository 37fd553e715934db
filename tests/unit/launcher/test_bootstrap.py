"""What pip's failures mean for a person. The texts are pip's own, shortened."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams import bootstrap
from streams.bootstrap import Told, explained, pulsing

NO_NETWORK = """\
WARNING: Retrying (Retry(total=1, connect=None)) after connection broken by 'NewConnectionError(
'<pip._vendor.urllib3.connection.HTTPSConnection object>: Failed to establish a new connection:
[Errno -3] Temporary failure in name resolution')': /simple/aiohttp/
ERROR: Could not find a version that satisfies the requirement aiohttp==3.14.5 (from versions: none)
ERROR: No matching distribution found for aiohttp==3.14.5
"""
PROXY = """\
WARNING: Retrying (Retry(total=1, connect=None)) after connection broken by 'SSLError(
SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed')': /simple/
ERROR: No matching distribution found for aiohttp==3.14.5
"""
NO_BUILD = """\
ERROR: Could not find a version that satisfies the requirement rocksdict==0.3.29 (from versions: 1)
ERROR: No matching distribution found for rocksdict==0.3.29
"""
NO_DISK = (
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
)
READ_ONLY = (
    "ERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system\n"
)
CHANGED = """\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the
package versions, please update the hashes. Otherwise, examine the package contents carefully.
"""


@pytest.mark.parametrize(
    ("output", "what", "remedy"),
    [
        (NO_NETWORK, "The package index cannot be reached.", "HTTPS_PROXY"),
        (PROXY, "A proxy answers for the package index", "PIP_CERT"),
        (NO_BUILD, "no build of a package for this computer", "FLUMINA_PYTHON"),
        (NO_DISK, "The disk is full.", "make room"),
        (READ_ONLY, "A file could not be written.", "that you can write to"),
        (CHANGED, "other bytes than requirements.lock demands", "PIP_INDEX_URL"),
        ("some\nnews\n", "does not know. Its last words:\nsome\nnews", "setup.log"),
    ],
)
def test_each_failure_has_its_sentence_and_its_way_out(output: str, what: str, remedy: str) -> None:
    error = explained(output, Path("setup.log"))
    assert what in error.what
    assert remedy in error.remedy


def test_packages_are_counted_as_pip_finds_them_and_as_it_unpacks_them() -> None:
    installed = 0
    told, log = Told(lambda: installed, 3), io.StringIO()
    lines_seen = []

    def words_of_pip() -> Iterator[str]:
        yield "Collecting aiohttp==3.14.5 (from -r requirements.lock (line 1))\n"
        lines_seen.append(told.line())
        yield "  Downloading aiohttp-3.14.5-cp311.whl (1.7 MB)\n"
        yield "Installing collected packages: aiohttp, attrs, zstandard\n"
        nonlocal installed
        installed = 2
        lines_seen.append(told.line())

    output = told.followed(words_of_pip(), log)
    assert lines_seen == ["1 of 3 packages found aiohttp==3.14.5", "2 of 3 packages unpacked"]
    assert output == log.getvalue()
    assert "Downloading" in output


def test_a_long_step_says_again_and_again_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "PULSE_IN_LOG_S", 0.001)
    has_told_twice = threading.Semaphore(0)

    def line() -> str:
        has_told_twice.release()
        return "7 of 9 packages unpacked"

    with pulsing(line):
        assert all(has_told_twice.acquire(timeout=30) for _ in range(2))
    assert "        7 of 9 packages unpacked, 0 s\n" in capsys.readouterr().err

"""Fetch a command's URIs into its sandbox, before it starts.

The one thing to know: like ``executor.py`` this is run by its path with nothing but the standard
library, in a child of the keeper. What is fetched may come from anywhere: nothing of an archive is
written outside the sandbox, and everything has a limit.
"""

import ctypes
import lzma
import os
import shutil
import signal
import tarfile
import time
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import unquote, urlsplit

# Mesos has no such limit; this one keeps a wrong URI from filling the disk.
BYTES_MAX = 4 * 1024**3
# Mesos gives up a download that stalls for a minute (--fetcher_stall_timeout).
STALL_SECONDS = 60.0
_BLOCK_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1
_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class Fetching:
    """The child that fetches, while it runs."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.ends_at = time.monotonic() + spec["fetch_seconds_max"]
        self._is_late = False
        self._reader, writer = os.pipe()
        keeper = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become_fetcher(spec, writer, keeper)
        os.close(writer)

    def end(self) -> None:
        """It takes too long."""
        self._is_late = True
        os.kill(self.pid, signal.SIGKILL)

    def error(self, wait_status: int) -> str | None:
        """Why not everything is in the sandbox, now that the child has ended."""
        text = os.read(self._reader, 4096).decode(errors="replace")
        os.close(self._reader)
        if self._is_late:
            return "Failed to fetch all URIs in time"
        return None if wait_status == 0 else text or "Failed to fetch all URIs"


def _become_fetcher(spec: dict[str, Any], writer: int, keeper: int) -> NoReturn:
    signal.set_wakeup_fd(-1)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        if os.getppid() == keeper:
            fetch_all(spec["uris"], spec["sandbox"])
    except FetchError as error:
        os.write(writer, str(error).encode()[:4096])
        os._exit(1)
    os._exit(0)


_UNFETCHED = (
    *(OSError, ValueError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error),
    # Of `zipfile`: a member that is encrypted, or packed in a way that nobody knows.
    *(RuntimeError, NotImplementedError, lzma.LZMAError),
)


class FetchError(Exception):
    """A URI could not be fetched; the text names it and says why."""


def fetch_all(uris: list[dict[str, Any]], sandbox: str) -> None:
    """Everything is in the sandbox, or FetchError names the first that is not."""
    for uri in uris:
        try:
            _fetch(uri, Path(sandbox))
        except _UNFETCHED as error:
            raise FetchError(f"Failed to fetch '{uri['value']}': {error}") from error


def _fetch(uri: dict[str, Any], sandbox: Path) -> None:
    value = uri["value"].strip()
    target = _target(uri, value, sandbox)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _opened(value) as source, target.open("wb") as file:
        _copy(source, file)
    if uri.get("executable"):
        target.chmod(target.stat().st_mode | 0o111)
    elif uri.get("extract", True):
        _extract(target, sandbox)


def _target(uri: dict[str, Any], value: str, sandbox: Path) -> Path:
    name = uri.get("output_file") or unquote(urlsplit(value).path).rpartition("/")[2]
    if not name:
        raise ValueError("it names no file, and there is no output_file")
    target = Path(os.path.normpath(sandbox / name))
    if not target.is_relative_to(sandbox) or target == sandbox:
        raise ValueError(f"{name!r} is outside the sandbox")
    return target


def _opened(value: str) -> IO[bytes]:
    scheme, _, rest = value.partition("://")
    if not rest:
        scheme, rest = "file", value
    match scheme:
        case "file":
            if not rest.startswith("/"):
                raise ValueError("a file is named by its absolute path")
            return Path(unquote(rest)).open("rb")
        case "http" | "https":
            # The agent fetches what the framework names, as Mesos does.
            return urllib.request.urlopen(value, timeout=STALL_SECONDS)  # type: ignore[no-any-return]  # noqa: S310
        case other:
            raise ValueError(f"this development cluster fetches file, http and https, not {other}")


def _copy(source: IO[bytes], file: IO[bytes]) -> None:
    size = 0
    while block := source.read(_BLOCK_BYTES):
        size += len(block)
        if size > BYTES_MAX:
            raise ValueError(f"it is larger than {BYTES_MAX} bytes")
        file.write(block)


def _extract(archive: Path, sandbox: Path) -> None:
    """Unpack what is an archive by its name; leave anything else as it is."""
    if archive.name.endswith(_TAR_ENDINGS):
        with tarfile.open(archive) as tar:
            _check_size(sum(member.size for member in tar.getmembers()))
            # Refuses absolute paths, dots, links that lead out, and devices.
            tar.extractall(sandbox, filter="data")
    elif archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            _check_size(sum(entry.file_size for entry in file.infolist()))
            for entry in file.infolist():
                _extract_entry(file, entry, sandbox)


def _extract_entry(file: zipfile.ZipFile, entry: zipfile.ZipInfo, sandbox: Path) -> None:
    target = Path(os.path.normpath(sandbox / entry.filename))
    if not target.is_relative_to(sandbox):
        raise ValueError(f"{entry.filename!r} in it is outside the sandbox")
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with file.open(entry) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out)
    # The rights that a Unix zip keeps in the upper half; an entry without any gets the usual.
    if rights := entry.external_attr >> 16 & 0o777:
        target.chmod(rights)


def _check_size(size: int) -> None:
    if size > BYTES_MAX:
        raise ValueError(f"unpacked it is larger than {BYTES_MAX} bytes")

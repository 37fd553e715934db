"""Makes the environment of a checkout: `.venv` with the locked packages and the project itself.

Run by the launcher, by path, with a Python that has nothing but its standard library; so nothing
else of ours may be imported here. The one thing to know: the stamp `.venv/flumina-installed` is
removed before anything is changed and written after everything is done. An environment without it
was interrupted and is made anew.
"""

import argparse
import fcntl
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

# Measured: 1.4 GB of packages with their compiled files, and pip unpacks one beside them.
FREE_BYTES_MIN = 1_800_000_000
PIP_RETRIES = 2
LAST_LINES = 12
STEPS = 3
PACKAGES = ("scheduler", "projections", "connectors", "streams")
# How often a person sees how far a step is: at a terminal one line that changes, else new lines.
PULSE_S = 1.0
PULSE_IN_LOG_S = 10.0


class SetupError(Exception):
    """Setting up cannot go on; says what happened and the way out."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy


class Trouble(NamedTuple):
    """A failure of pip that people can clear: how it is recognised, and the sentences for it."""

    pattern: str
    what: str
    remedy: str


TROUBLES = (
    Trouble(
        r"No space left on device|Disk quota exceeded",
        "The disk is full.",
        "About 1.8 GB is needed in the checkout and in pip's cache (see `pip cache dir`): make "
        "room and run this again.",
    ),
    Trouble(
        r"Read-only file system|Permission denied",
        "A file could not be written.",
        "Use a checkout, and a home directory, that you can write to.",
    ),
    Trouble(
        r"DO NOT MATCH THE HASHES",
        "A package arrived with other bytes than requirements.lock demands; it was not installed.",
        "Your package index or a proxy serves a changed file. Check PIP_INDEX_URL and pip's "
        "configuration.",
    ),
    Trouble(
        r"CERTIFICATE_VERIFY_FAILED",
        "A proxy answers for the package index, with a certificate that is not trusted here.",
        "Name the file of certificates that this network trusts with PIP_CERT; then run this "
        "again.",
    ),
    Trouble(
        r"NewConnectionError|ConnectTimeout|ReadTimeout|NameResolutionError|ProxyError|SSLError"
        r"|Network is unreachable|Temporary failure in name resolution|Connection (?:refused|reset)"
        r"|Max retries exceeded",
        "The package index cannot be reached.",
        "Connect to the network, or set HTTPS_PROXY, or name a mirror with PIP_INDEX_URL; then run "
        "this again.",
    ),
    Trouble(
        r"No matching distribution found|Could not find a version",
        "The package index has no build of a package for this computer and this Python.",
        "Use Python 3.11, 3.12 or 3.13 (FLUMINA_PYTHON) on Linux x86-64 or arm64, or name a "
        "complete mirror with PIP_INDEX_URL.",
    ),
)


def explained(output: str, log: Path) -> SetupError:
    """What pip's output means for a person."""
    for trouble in TROUBLES:
        if re.search(trouble.pattern, output):
            return SetupError(f"{trouble.what} (All of pip's words: {log})", trouble.remedy)
    last = "\n".join(output.splitlines()[-LAST_LINES:])
    return SetupError(
        f"pip failed for a reason that flumina does not know. Its last words:\n{last}",
        f"Read {log}; run this again once the cause is gone.",
    )


def tell(text: str) -> None:
    """Say something to the person, beside the output of the command that follows."""
    print(text, file=sys.stderr, flush=True)


class Environment:
    """The environment of one checkout and the steps that make it."""

    def __init__(self, root: Path, made_with: str) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"
        self._stamp = self.venv / "flumina-installed"
        self._inputs = (root / "requirements.lock", root / "pyproject.toml")
        self._made_with = made_with
        self._log = root / ".flumina" / "setup.log"

    def is_ready(self) -> bool:
        """Whether the stamp says that all is installed as it should be now."""
        return self._has_packages() and self._is_current(self._inputs[1])

    def _has_packages(self) -> bool:
        origin = self._stamp / "origin"
        return (
            os.access(self.python, os.X_OK)
            and self._is_current(self._inputs[0])
            and origin.exists()
            and origin.read_text("utf-8") == self._origin()
        )

    def _is_current(self, source: Path) -> bool:
        copy = self._stamp / source.name
        return copy.exists() and copy.read_bytes() == source.read_bytes()

    def _origin(self) -> str:
        return f"{self.root}\n{self._made_with}\n"

    def make(self) -> None:
        """Do what is missing, telling each step."""
        if self._has_packages():
            tell("flumina: pyproject.toml has changed; installing the project again.")
        else:
            tell(
                "flumina: setting up this checkout, once; a minute or two. Nothing outside it is "
                "changed."
            )
            self._check_room()
            self._make_venv()
            self._install_packages()
        self._install_project()
        self._write_stamp()
        tell("flumina: ready.")

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.root).free
        if free < FREE_BYTES_MIN:
            raise SetupError(
                f"Only {free / 1e6:.0f} MB are free on the disk of {self.root}; the environment "
                "needs 1.8 GB.",
                "Make room, or move the checkout to another disk.",
            )

    def _make_venv(self) -> None:
        missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
        if missing:
            raise SetupError(
                f"This Python ({sys.executable}, {platform.python_version()}) lacks its module "
                f"{' and '.join(missing)}; distributions often package it apart.",
                "Debian, Ubuntu: apt install python3-venv. Or set FLUMINA_PYTHON to another "
                "Python of version 3.11 or newer.",
            )
        if self.venv.exists():
            if not (self.venv / "pyvenv.cfg").exists() and any(self.venv.iterdir()):
                raise SetupError(
                    f"{self.venv} is in the way: it is no Python environment.",
                    "Move it elsewhere and run this again.",
                )
            tell(f"flumina: removing {self.venv}, which is out of date or was not finished.")
            # The stamp goes first: a removal that is interrupted must not look complete.
            shutil.rmtree(self._stamp, ignore_errors=True)
            shutil.rmtree(self.venv)
        self._step(1, f"making .venv with Python {platform.python_version()}")
        (self.venv).mkdir()
        # Only `pyvenv.cfg` marks what is here as ours, so it is there before anything else.
        (self.venv / "pyvenv.cfg").touch()
        try:
            venv.EnvBuilder(symlinks=True).create(self.venv)
        except subprocess.CalledProcessError as error:
            raise explained(str(error.output), self._log) from error
        # To the file and not to a name like `python3`, which another version may get one day.
        self.python.unlink()
        self.python.symlink_to(Path(sys.executable).resolve())
        self._run("-m", "ensurepip", "--upgrade", "--default-pip")

    def _install_packages(self) -> None:
        lock = self._inputs[0]
        total = len(re.findall(r"^\S+==", lock.read_text("utf-8"), re.MULTILINE))
        self._step(2, f"installing {total} locked packages")
        self._run(
            *("-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:"),
            *(*PIP_OPTIONS, "--requirement", str(lock)),
            told=Told(lambda: len(list(self.venv.glob("lib/*/site-packages/*.dist-info"))), total),
        )

    def _install_project(self) -> None:
        self._step(3, "installing flumina itself")
        shutil.rmtree(self._stamp, ignore_errors=True)
        self._run(
            *("-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"),
            *(*PIP_OPTIONS, "--editable", str(self.root)),
        )
        # Or the first command would do it in silence: 3 s, where a second one takes half of one.
        self._run("-m", "compileall", "-q", *(str(self.root / name) for name in PACKAGES))

    def _write_stamp(self) -> None:
        unfinished = self._stamp.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        for source in self._inputs:
            shutil.copyfile(source, unfinished / source.name)
        (unfinished / "origin").write_text(self._origin(), "utf-8")
        unfinished.rename(self._stamp)

    def _step(self, number: int, what: str) -> None:
        tell(f"  [{number}/{STEPS}] {what} …")

    def _run(self, *arguments: str, told: "Told | None" = None) -> None:
        """Run the environment's Python, its words to the log; raises what they mean if it fails."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        told = told or Told(lambda: 0, 0)
        with (
            self._log.open("a", encoding="utf-8") as log,
            subprocess.Popen(
                [str(self.python), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=environment,
            ) as process,
            pulsing(told.line),
        ):
            assert process.stdout is not None
            output = told.followed(process.stdout, log)
        if process.returncode != 0:
            raise explained(output, self._log)


# A bar of pip's own would fill the log; its questions would never be answered.
PIP_OPTIONS = (
    *("--disable-pip-version-check", "--no-input", "--progress-bar", "off"),
    *("--retries", str(PIP_RETRIES)),
)


class Told:
    """What a program has said so far, and how far it is: packages found, then packages unpacked."""

    def __init__(self, installed: Callable[[], int], total: int) -> None:
        self._installed = installed
        self._total = total
        self._found = 0
        self._newest = ""
        self._is_unpacking = False

    def line(self) -> str:
        """How far it is now; empty where nothing is counted."""
        if not self._total:
            return ""
        if self._is_unpacking:
            return f"{self._installed()} of {self._total} packages unpacked"
        return f"{self._found} of {self._total} packages found {self._newest}".rstrip()

    def followed(self, lines: Iterable[str], log: IO[str]) -> str:
        """All that the program says until its end, logged as it comes."""
        heard: list[str] = []
        for line in lines:
            heard.append(line)
            log.write(line)
            if match := re.match(r"Collecting (\S+)", line):
                self._found += 1
                self._newest = match[1]
            # The longest part of it is silent: pip names what it installs only at the end.
            self._is_unpacking |= line.startswith("Installing collected packages")
        return "".join(heard)


@contextmanager
def pulsing(line: Callable[[], str]) -> Iterator[None]:
    """While inside, people see that something goes on: how far it is, and for how long."""
    is_over = threading.Event()
    is_terminal = sys.stderr.isatty()
    began_s = time.monotonic()

    def pulse() -> None:
        while not is_over.wait(PULSE_S if is_terminal else PULSE_IN_LOG_S):
            words = [line(), f"{time.monotonic() - began_s:.0f} s"]
            text = "        " + ", ".join(filter(None, words))
            if is_terminal:
                print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
            else:
                tell(text)

    thread = threading.Thread(target=pulse, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        if is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextmanager
def alone(lock_path: Path) -> Iterator[None]:
    """Only one set-up of a checkout at a time is inside; the kernel frees what a dead one held."""
    lock_path.parent.mkdir(exist_ok=True)
    with lock_path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("flumina: another ./flumina is setting up this checkout; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def give_up(what: str, remedy: str, code: int = 1) -> NoReturn:
    """Leave with both sentences and a code that says so."""
    tell(f"flumina: {what}\n         {remedy}")
    sys.exit(code)


def main() -> None:
    """Make the environment of the checkout that the arguments name, unless it is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("made_with", help="FLUMINA_PYTHON, or - if that is not set")
    arguments = parser.parse_args()
    environment = Environment(arguments.root, arguments.made_with)
    try:
        with alone(arguments.root / ".flumina" / "setup.lock"):
            if not environment.is_ready():
                environment.make()
    except SetupError as error:
        give_up(error.what, error.remedy)
    except OSError as error:
        trouble = explained(str(error), arguments.root)
        give_up(f"{error.filename or arguments.root}: {error.strerror}.", trouble.remedy)
    except KeyboardInterrupt:
        give_up("interrupted.", "Run this again: it begins anew and is then complete.", code=130)


if __name__ == "__main__":
    main()

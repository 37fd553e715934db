"""The checks of `flumina doctor` of this computer and of this environment.

The one thing to know: a check never changes anything, never raises, and says for whatever is not
well what to do about it.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.api.rate_limits import rate_limits_of
from streams.errors import OperatorError
from streams.kafka.installation import java_executable
from streams.kafka.ports import is_free
from streams.settings import Settings
from streams.supervise.ports import API_PORT
from streams.supervise.up_file import UP_FILE, UpView

Status = Literal["ok", "warning", "failed", "skipped"]

PYTHON_MIN: Final = (3, 11)
DISK_MIB_MIN: Final = 500
"""A Kafka with its jars takes 200 MiB, and stops writing when a disk is full."""
DISK_MIB_WISE: Final = 5_000
DAY_S: Final = 24 * 60 * 60
JAVA_TIMEOUT_S: Final = 20.0
CONNECT_TIMEOUT_S: Final = 2.0
"""Longer than any computer nearby takes; several that are silent still leave the rest to see."""
DISTRIBUTION: Final = "flumina"


class Finding(msgspec.Struct, frozen=True):
    """What one check found; ``remedy`` is empty where there is nothing to do."""

    check: str
    status: Status
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", text)


def warning(check: str, text: str, remedy: str) -> Finding:
    """It works, and may not for long."""
    return Finding(check, "warning", text, remedy)


def failed(check: str, text: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, "failed", text, remedy)


def skipped(check: str, text: str) -> Finding:
    """It does not apply, or could not be looked at."""
    return Finding(check, "skipped", text)


def of_error(check: str, error: OperatorError) -> Finding:
    """The finding of an error that says what to do."""
    return failed(check, f"{error.what} {error.cause}", error.remedy)


def local_findings(settings: Settings, data_dir: Path, running: UpView | None) -> list[Finding]:
    """What can be said of this computer."""
    found = [python(), *versions(), java(settings)]
    found += [disk("disk of the data", data_dir), disk("disk of downloads", settings.cache_dir)]
    found.append(failover_timeout("failover_timeout", settings.failover_timeout_s))
    found += [*files_and_places(settings)]
    found += parts(running) if running else [*ended_up(data_dir), port()]
    return found


def ended_up(data_dir: Path) -> Iterator[Finding]:
    """Whether an `up` of this directory ended without stopping: its file is still there."""
    try:
        view = msgspec.json.decode((data_dir / UP_FILE).read_bytes(), type=UpView)
    except (OSError, *BAD_BYTES):
        return
    yield failed(
        "up",
        f"`flumina up` (process {view.pid}) on {data_dir} has ended and was not stopped in order;"
        " nothing of it runs",
        f"Start `flumina up` again, and read {data_dir / 'logs'} for why it ended; if Kafka's data"
        " are gone as well, see docs/backup-and-restore.md.",
    )


def files_and_places(settings: Settings) -> Iterator[Finding]:
    """Files that settings name are fit for use, and what they name answers; unset ones are left."""
    if settings.rate_limits is not None:
        try:
            rate_limits_of(settings.rate_limits)
            yield ok("rate limits", f"{settings.rate_limits} can be read")
        except OperatorError as error:
            yield of_error("rate limits", error)
    named = {"registry": settings.registry_url, "prometheus": settings.prometheus_url}
    if not (settings.discovery_url or "").startswith("file:"):
        named["discovery"] = settings.discovery_url
    for check, url in named.items():
        if url is not None:
            yield connected(check, url)
    if settings.image_check != "off" and settings.registry_url is None:
        text = f"FLUMINA_IMAGE_CHECK={settings.image_check}, of images that name their registry"
        yield ok("registry", text)


def connected(check: str, url: str) -> Finding:
    """Whether somebody listens at the URL; what he is was not asked."""
    parts = urlsplit(url)
    where = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection(where, timeout=CONNECT_TIMEOUT_S):
            return ok(check, f"{url} takes connections")
    except OSError as error:
        text = f"{url} takes no connections: {error.strerror or error}"
        return failed(check, text, f"Start it, or correct FLUMINA_{check.upper()}.")


def python() -> Finding:
    """Whether this Python is new enough."""
    text = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < PYTHON_MIN:
        wanted = ".".join(map(str, PYTHON_MIN))
        return failed("python", f"{text}; {wanted} is needed", f"Install Python {wanted} or newer.")
    return ok("python", text)


def versions() -> Iterator[Finding]:
    """Our own version, and every library that is pinned to the digit for a reason."""
    try:
        requires = metadata.requires(DISTRIBUTION) or []
        yield ok(DISTRIBUTION, metadata.version(DISTRIBUTION))
    except metadata.PackageNotFoundError:
        yield warning(
            DISTRIBUTION,
            "runs from its folder and is not installed, so nobody checked its libraries",
            "Start it with ./flumina, which makes an environment.",
        )
        return
    for text in requires:
        pinned = re.match(r"([A-Za-z0-9._-]+)==([^;\s]+)", text)
        if pinned is None:
            continue
        name, wanted = pinned[1], pinned[2]
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            there = "not installed"
        if there == wanted:
            yield ok(name, there)
        else:
            yield failed(
                name,
                f"{there}, but {wanted} is what was tested",
                "Delete .venv and run ./flumina again.",
            )


def java(settings: Settings) -> Finding:
    """Whether the Java of this environment runs, where it is needed."""
    if settings.kafka_brokers:
        return skipped("java", "not needed: KAFKA_BROKERS names a Kafka")
    try:
        done = subprocess.run(
            [str(java_executable()), "-version"],
            capture_output=True,
            text=True,
            timeout=JAVA_TIMEOUT_S,
            check=False,
        )
    except OperatorError as error:
        return of_error("java", error)
    except (OSError, subprocess.TimeoutExpired) as error:
        return failed("java", f"cannot be run: {error}", "Delete .venv and run ./flumina again.")
    if done.returncode != 0:
        text = f"ended with code {done.returncode}: {done.stderr.strip()}"
        return failed("java", text, "Delete .venv and run ./flumina again.")
    return ok("java", done.stderr.strip().splitlines()[0])


def disk(check: str, directory: Path) -> Finding:
    """Whether there is room where the directory is or will be."""
    there = next(each for each in (directory, *directory.parents) if each.exists())
    if not os.access(there, os.W_OK):
        return failed(
            check,
            f"{there} cannot be written to",
            "Set FLUMINA_DATA and FLUMINA_CACHE to directories of yours.",
        )
    mebibytes = shutil.disk_usage(there).free >> 20
    text = f"{mebibytes / 1024:.1f} GiB free under {there}"
    if mebibytes < DISK_MIB_MIN:
        return failed(check, text, "Make room: Kafka ends when its disk is full.")
    if mebibytes < DISK_MIB_WISE:
        return warning(check, text, "Make room soon: the cell log is kept without end.")
    return ok(check, text)


def port() -> Finding:
    """Whether the API would be found where people look for it."""
    if is_free(API_PORT):
        return ok("ports", f"{API_PORT} is free for the API; all other ports are found")
    return warning(
        "ports",
        f"{API_PORT} is in use, so that `up` would take another port for the API",
        "Nothing need be done; `up` says which port it took.",
    )


def failover_timeout(check: str, seconds: float) -> Finding:
    """Whether tasks outlive a control plane that is away."""
    text = f"{seconds:g} s"
    if seconds <= 0:
        return failed(
            check,
            f"{text}: Mesos ends every task as soon as the leader's connection breaks",
            "Set MESOS_FAILOVER_TIMEOUT_S to a week (604800) and let the cell subscribe again.",
        )
    if seconds < DAY_S:
        return warning(
            check,
            f"{text}: without a leader for so long, Mesos ends every task",
            "Set MESOS_FAILOVER_TIMEOUT_S to more than a weekend; a week is 604800.",
        )
    return ok(check, f"{text} ({seconds / DAY_S:g} days)")


def parts(running: UpView) -> Iterator[Finding]:
    """How each process of the `up` that runs here is."""
    for each in running.parts:
        check = f"process {each.name}"
        text = f"{each.state}, started {each.starts} time(s), process {each.pid}"
        if each.state != "ready":
            yield failed(check, text, f"Read {each.log_file}.")
        elif each.starts > 1:
            yield warning(check, text, f"Read in {each.log_file} why it ended before.")
        else:
            yield ok(check, text)

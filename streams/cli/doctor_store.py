"""The checks of `flumina doctor` of the store: whether it answers, and how old what it has is.

The one thing to know: it is listed and never written to. A store that answers and is not written to
is seen by the age of what is in it.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from connectors.objects.opening import open_store
from connectors.ports import StoreFailed
from streams.cli.doctor_checks import Finding, failed, ok, skipped, warning
from streams.clock import now_ms
from streams.settings import Settings, store_url_of
from streams.snapshots.shelf import Shelf

AGE_S_WISE = 30 * 60
"""One is taken each ten minutes in which anything happened; after so long it pages."""


def store_findings(settings: Settings, *, is_running: bool) -> list[Finding]:
    """Whether the store answers, and the age of the newest snapshot of the cell."""
    url = store_url_of(settings)
    try:
        _check_directory(url)
        names = Shelf(open_store(url), settings.cell).names()
    except (StoreFailed, OSError, ValueError) as error:
        text = f"{url} does not answer: {error}"
        remedy = "Check FLUMINA_STORE, its rights and its room; nothing waits for it meanwhile."
        return [failed("store", text, f"{remedy} docs/recovery.md#the-store-is-away")]
    found = [ok("store", f"{url} answers")]
    if not names:
        text = f"there is none of cell {settings.cell}"
        return [*found, skipped("snapshots", text)]
    newest = max(names, key=lambda each: each.written_at_ms)
    age_s = (now_ms() - newest.written_at_ms) / 1_000
    text = f"{len(names)}, the newest {age_s / 60:.0f} min old, of {newest.next_offset} records"
    if is_running and age_s > AGE_S_WISE:
        remedy = (
            "Read the log of the history process: it says why none is taken, unless nothing "
            "happened in the cell. `flumina snapshots take` makes one now. "
            "docs/runbooks/process-snapshots.md"
        )
        return [*found, warning("snapshots", text, remedy)]
    return [*found, ok("snapshots", text)]


def _check_directory(url: str) -> None:
    """Return if a store of files could be written to; raises `OSError` else."""
    parts = urlsplit(url)
    directory = Path(unquote(parts.path))
    if parts.scheme != "file" or not directory.exists():
        return  # It is made by who writes first.
    if not directory.is_dir():
        raise NotADirectoryError("it is no directory")
    if not os.access(directory, os.W_OK):
        raise PermissionError("it cannot be written to")

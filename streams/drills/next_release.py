"""The next release of flumina, as a drill needs it: this build, one schema version ahead.

The one thing to know: it is a whole build of its own, a copy of the four packages with two edits
that any release could make. A field of the cell log has another name, and so records have a higher
version; and there is the upcaster that lifts the old ones. Nothing is faked at run time: what
writes and reads the newer records is the same code that writes and reads today's.
"""

import re
import shutil
from pathlib import Path
from typing import Final

import streams
from scheduler.model.codec import RECORD_VERSION
from streams.errors import OperatorError

PACKAGES: Final = ("scheduler", "projections", "connectors", "streams")
OLD_NAME: Final = "published_offset"
"""A field of `Tick`, which every leader writes once a second."""
NEW_NAME: Final = "told_offset"
CODEC: Final = Path("scheduler/model/codec.py")
_VERSION: Final = re.compile(r"^RECORD_VERSION: Final = \d+$", re.MULTILINE)

UPCASTER: Final = '''

def _lift_from_{old}(raw: Raw) -> Raw:
    """Version {old} called the field of `Tick` {old_name}."""
    for event in raw["events"]:
        if event["type"] == "Tick" and "{old_name}" in event:
            event["{new_name}"] = event.pop("{old_name}")
    return raw


UPCASTERS[{old}] = _lift_from_{old}  # type: ignore[index]


def _lower_to_{old}(raw: Raw) -> Raw:
    """What builds of version {old} read, while one of them lives."""
    for event in raw["events"]:
        if event["type"] == "Tick" and "{new_name}" in event:
            event["{old_name}"] = event.pop("{new_name}")
    return raw


DOWNCASTERS[{old}] = _lower_to_{old}  # type: ignore[index]
'''


def make_next_release(directory: Path) -> Path:
    """The directory, with a build in it that writes records of the next version and reads both.

    Raises `OperatorError` where this build's source cannot be copied.
    """
    source = Path(streams.__file__).parents[1]
    try:
        for package in PACKAGES:
            # Compiled files with it: what is not edited need not be compiled again.
            shutil.copytree(source / package, directory / package)
        _rename_field(directory)
        _raise_version(directory / CODEC)
    except (OSError, shutil.Error) as error:
        raise OperatorError(
            f"The next release could not be made in {directory}: {error}.",
            "The disk is full, or flumina's own files cannot be read.",
            "Make room, or run the drill where flumina is installed as files.",
        ) from error
    return directory


def _rename_field(directory: Path) -> None:
    """Give the field its new name, wherever it is spoken of."""
    word = re.compile(rf"\b{OLD_NAME}\b")
    for path in sorted(directory.rglob("*.py")):
        text = path.read_text("utf-8")
        renamed = word.sub(NEW_NAME, text)
        if renamed != text and path.name != Path(__file__).name:
            path.write_text(renamed, "utf-8")


def _raise_version(codec: Path) -> None:
    """Let records have the next version, and lift those of this one."""
    text, count = _VERSION.subn(
        f"RECORD_VERSION: Final = {RECORD_VERSION + 1}", codec.read_text("utf-8")
    )
    assert count == 1, "the codec says once which version it writes"
    lift = UPCASTER.format(old=RECORD_VERSION, old_name=OLD_NAME, new_name=NEW_NAME)
    codec.write_text(text + lift, "utf-8")

"""Secrets by the names that stand in the log: of the environment, or of one folder.

The one thing to know: whoever may add a webhook chooses the name. So a name reaches only variables
that begin with ``WEBHOOK_SECRET_`` and files of the one folder, and nothing else of this process.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PREFIX: Final = "WEBHOOK_SECRET_"
BYTES_MAX: Final = 4_096
CHARACTERS_MIN: Final = 16


class SecretMissing(ValueError):
    """A secret is not where its name says; the text never shows one."""


class Secrets:
    """What this process was given; files are read each time, so that they can be exchanged."""

    def __init__(self, folder: Path | None, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environment = environment

    def of(self, name: str) -> str:
        """The secret that a name stands for, empty for no name; raises `SecretMissing`."""
        if not name:
            return ""
        kind, _, word = name.partition(":")
        secret = self._variable(word) if kind == "env" else self._file(word)
        if len(secret) < CHARACTERS_MIN:
            text = f"secret {name} has fewer than {CHARACTERS_MIN} characters"
            raise SecretMissing(text)
        return secret

    def _variable(self, word: str) -> str:
        variable = PREFIX + re.sub("[^A-Z0-9]", "_", word.upper())
        found = self._environment.get(variable)
        if found is None:
            raise SecretMissing(f"secret env:{word}: {variable} is not set where webhooks are sent")
        return found

    def _file(self, word: str) -> str:
        if self._folder is None:
            raise SecretMissing(f"secret file:{word}: FLUMINA_WEBHOOK_SECRETS names no folder")
        try:
            with (self._folder / Path(word).name).open("rb") as file:
                return file.read(BYTES_MAX).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SecretMissing(f"secret file:{word} cannot be read: {error}") from error

"""Principals for tests: a file of them, their tokens, and an API behind their door."""

from collections.abc import Sequence
from pathlib import Path

from connectors.access.authentication import Authentication
from connectors.access.book import Entry, book_of, new_token, written
from connectors.access.door import Door
from connectors.access.principals import ROLES
from connectors.access.sessions import Sessions
from connectors.access.signed import Signed
from connectors.access.watched import Watched

CELL = "main"


class People:
    """A file of principals; `token` adds one, and remembers his token."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self.tokens: dict[str, str] = {}
        self.write()

    def token(self, name: str, role: str, **fields: object) -> str:
        """A new token for a principal with this role."""
        made = new_token()
        self.add(Entry(name, role, token=made.kept, **fields))  # type: ignore[arg-type] # as a test says
        self.tokens[name] = made.text
        return made.text

    def add(self, *entries: Entry) -> None:
        """Add rows as they are."""
        self.entries += entries
        self.write()

    def remove(self, name: str) -> None:
        """Take a principal's rows out."""
        self.entries = [each for each in self.entries if each.name != name]
        self.write()

    def write(self) -> None:
        """Write the file as an operator does: whole."""
        part = self.path.with_suffix(".part")
        part.write_bytes(written(self.entries))
        part.replace(self.path)

    def of_every_role(self) -> dict[str, str]:
        """A token for each role, whose name is the role's."""
        return {role: self.token(role, role) for role in ROLES}

    def door(
        self,
        *,
        sessions: Sessions | None = None,
        signed: Signed | None = None,
        now_ms: int = 10**12,
    ) -> Door:
        """A door that reads the file, of a process that looks at it with each request."""
        clock = iter(range(10**9))
        book = Watched((self.path,), lambda: book_of(self.path.read_bytes()), lambda: next(clock))
        return Door(Authentication(lambda: now_ms, book=book, signed=signed), CELL, sessions)


def bearer(token: str, **more: str) -> dict[str, str]:
    """The headers of who has this token."""
    return {"Authorization": f"Bearer {token}", **more}


def names(items: Sequence[dict[str, object]]) -> set[str]:
    """The ids of some items of a list."""
    return {str(each["id"]) for each in items}

"""Sealed values of an environment: how they are told from others, and which variables need one.

The one thing to know: nothing here opens or seals. To a cell a sealed value is a text like any
other; the log, snapshots and pages hold only it, and no fold ever looks inside.
"""

import re
from collections.abc import Iterable
from typing import Final

from scheduler.model.job import Container
from scheduler.model.reading.fields import Fields

SEALED: Final = "flumina-sealed:1:"
"""What a sealed value begins with; the number is of the form of what follows."""
SECRET_ATTRIBUTE: Final = "flumina.secretEnvironment"  # noqa: S105 - the name of an attribute
"""The container attribute that lists the variables whose values are secret, or has ``*``."""
ALL: Final = "*"
TENANT_CHARACTERS: Final = 16
VERSION_MAX: Final = 99_999_999
"""Of a key: one an hour for ten thousand years."""
_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
_SEALED: Final = re.compile(
    rf"{SEALED}([A-Za-z0-9_-]{{{TENANT_CHARACTERS}}})\.([1-9][0-9]{{0,7}}):([A-Za-z0-9_-]{{38,}})",
    re.ASCII,
)


def is_sealed(value: str) -> bool:
    """Whether a value says that it is sealed; whether it can be opened is another question."""
    return value.startswith(SEALED)


def parts_of(value: str) -> tuple[str, int, str] | None:
    """Tenant, version of the key and content of a sealed value; None where it has no such form."""
    found = _SEALED.fullmatch(value)
    return None if found is None else (found[1], int(found[2]), found[3])


def secret_names(attributes: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The variables that a container's attributes mark as secret; ``*`` stands for all."""
    text = next((text for name, text in attributes if name == SECRET_ATTRIBUTE), "")
    return frozenset(each.strip() for each in text.split(",") if each.strip())


def is_secret(name: str, marked: frozenset[str]) -> bool:
    """Whether the variable is among those marked."""
    return name in marked or ALL in marked


def bare_names(container: Container) -> tuple[str, ...]:
    """The variables that are marked as secret and whose values are not sealed."""
    marked = secret_names(container.attributes)
    if not marked:
        return ()
    return tuple(
        name
        for name, value in container.environment
        if is_secret(name, marked) and not is_sealed(value)
    )


def needs_ring(container: Container) -> bool:
    """Whether a container has secrets, sealed or to be sealed."""
    return bool(secret_names(container.attributes)) or any(
        is_sealed(value) for _, value in container.environment
    )


def refuse_bare(fields: Fields, container: Container) -> None:
    """Add a fault for each variable that is marked and not sealed: it may not reach the log."""
    for name in bare_names(container):
        text = "is marked as secret and is not sealed"
        hint = "submit it by REST, or seal it with `flumina secret seal` before it is published"
        fields.fault_at(f"container.env.{name}", text, hint)


def read_secret_names(text: str) -> None:
    """Return where the attribute's text can be read; raises ValueError with what to write."""
    for each in text.split(","):
        word = each.strip()
        if word and word != ALL and not _NAME.fullmatch(word):
            raise ValueError('name variables with commas between, like "DB_PASSWORD,API_KEY"')

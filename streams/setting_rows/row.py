"""What a setting is."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Setting(NamedTuple):
    """One environment variable: the field it sets, what it means, and how its text is read."""

    variable: str
    field: str
    meaning: str
    default: Callable[[Mapping[str, str]], Any]
    read: Callable[[str], Any]

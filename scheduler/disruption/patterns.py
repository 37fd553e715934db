"""Names that are meant by a pattern in which ``*`` stands for anything.

The one thing to know: no pattern of anybody reaches a regular expression. Each piece is looked for
once, from where the one before it ended, so no pattern and no name makes this slow.
"""

from collections.abc import Iterable


def is_meant(name: str, patterns: Iterable[str]) -> bool:
    """Whether any of the patterns fits the whole name."""
    return any(_fits(name, each) for each in patterns)


def _fits(name: str, pattern: str) -> bool:
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    last = rest.pop()
    if not name.startswith(first) or len(name) < len(first) + len(last):
        return False
    end = len(name) - len(last)
    if name[end:] != last:
        return False
    at = len(first)
    for piece in rest:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True

"""The file of a policy: complete, commented, and read back as the same policy.

The one thing to know: the comments are in `WORDS`, by the path of what they explain. Names that
people choose (of groups, tiers, ...) have no comment of their own, what stands under them has.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from scheduler.model.policy import Policy
from scheduler.model.rules_document.writing import policy_document
from streams.policy_file.reading import plain_value
from streams.policy_file.words import HEADINGS, WORDS

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+-]+)*")
COMMENT_COLUMN: Final = 34
WIDTH_MAX: Final = 100


def policy_text(policy: Policy, title: str = "") -> str:
    """The file of ``policy``; ``title`` is a line above it."""
    lines = [f"# {title}"] if title else []
    for name, value in policy_document(policy).items():
        heading = HEADINGS.get(name)
        if heading:
            lines += ["", *(f"# {line}" for line in heading.splitlines())]
        lines += _entry(name, value, name, 0)
    return "\n".join(lines) + "\n"


def _entry(name: str, value: object, path: str, depth: int) -> Iterator[str]:
    indent = "  " * depth
    key = f"{indent}{scalar_text(name)}:"
    comment = WORDS.get(path, "")
    if isinstance(value, dict) and value and path not in _SHORT:
        yield from _commented(key, comment)
        for each, inner in value.items():
            yield from _entry(each, inner, _below(path, each), depth + 1)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from _commented(key, comment)
        for each in value:
            yield from _listed(each, path, indent)
    else:
        yield from _commented(f"{key} {flow_text(value)}", comment)


def _listed(value: Mapping[str, object], path: str, indent: str) -> Iterator[str]:
    """One entry of a list of maps; a comment stands behind, never between dash and name."""
    for place, (name, inner) in enumerate(value.items()):
        line = f"{indent}  {'  ' if place else '- '}{scalar_text(name)}: {flow_text(inner)}"
        comment = WORDS.get(f"{path}[].{name}", "")
        yield from _commented(line, comment) if place else (line,)


def _below(path: str, name: str) -> str:
    """The path of a comment: names that people choose are ``*``."""
    return f"{path}.*" if path in _NAMED else f"{path}.{name}"


_NAMED: Final = frozenset(("profiles", "groups", "selectors", "instance_groups"))
_SHORT: Final = frozenset(
    (
        "groups.*.guarantee",
        "groups.*.limit",
        "selectors.*.constraint",
        "selectors.*.for",
        "instance_groups.*.attributes",
    )
)
"""Maps that are written in one line."""


def _commented(line: str, comment: str) -> Iterator[str]:
    """The line with its comment behind it, or above where both are too long for one line."""
    padded = f"{line:<{COMMENT_COLUMN}}  # {comment}"
    if comment and len(padded) > WIDTH_MAX:
        yield f"{line[: len(line) - len(line.lstrip())]}# {comment}"
    yield padded if comment and len(padded) <= WIDTH_MAX else line


def flow_text(value: object) -> str:
    """A value in one line."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{scalar_text(name)}: {flow_text(it)}" for name, it in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow_text, value))}]"
    return scalar_text(value)


def scalar_text(value: object) -> str:
    """A single value; a text in quotes where a reader would take it for something else."""
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = _PLAIN.fullmatch(value) is not None and isinstance(plain_value(value), str)
    return value if is_plain else json.dumps(value, ensure_ascii=False)

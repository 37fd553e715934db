"""What `policy` prints: faults with their places in the file, and differences.

The one thing to know: faults are sorted by their place, so that a file is mended from its top.
"""

from collections.abc import Sequence
from typing import Any

from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import Faults
from scheduler.model.rules_document.difference import Difference
from streams.cli.render import plain
from streams.errors import OperatorError
from streams.policy_file.reading import Place, YamlText
from streams.policy_file.writing import flow_text


def _placed(there: YamlText, faults: Faults) -> list[tuple[Place, Fault]]:
    nowhere = Place(0, 0)
    found = [(there.place_of(each.field) or nowhere, each) for each in faults.all()]
    return sorted(found, key=lambda each: each[0])


def told_faults(there: YamlText, faults: Faults) -> list[dict[str, object]]:
    """The faults for machines."""
    return [
        {
            "line": place.line,
            "column": place.column,
            "field": each.field,
            "text": each.text,
            "hint": each.hint,
        }
        for place, each in _placed(there, faults)
    ]


def file_error(file: str, there: YamlText, faults: Faults) -> OperatorError:
    """The error of a file, with a line for everything that is wrong with it."""
    lines = []
    for place, each in _placed(there, faults):
        at = f"{file}:{place.line}:{place.column}" if place.line else file
        hint = f": {each.hint}" if each.hint else ""
        lines.append(plain(f"{at} {each.field} {each.text}{hint}"))
    count = f"{len(lines)} {'fault' if len(lines) == 1 else 'faults'}"
    return OperatorError(f"{file} is no policy, for {count}:", "\n".join(lines), "")


def changed_lines(found: Sequence[Difference], *, as_json: bool = False) -> list[Any]:
    """A line for each difference, or what it is for machines."""
    if as_json:
        return [{"path": each.path, "before": each.before, "after": each.after} for each in found]
    return [plain(_line(each)) for each in found]


def _line(each: Difference) -> str:
    if each.before is None:
        return f"+ {each.path}: {flow_text(each.after)}"
    if each.after is None:
        return f"- {each.path}: {flow_text(each.before)}"
    return f"  {each.path}: {flow_text(each.before)} -> {flow_text(each.after)}"

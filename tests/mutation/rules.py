"""Which mutants are not worth counting, by rule; and the statement that a mutant is in.

The one thing to know: mutmut itself makes none outside of functions, none in functions with a
decorator other than `staticmethod` and `classmethod`, none of annotations, docstrings and the
arguments of `len` and `isinstance`. What is left out beyond that are words for people and words
for the type checker, which no behaviour hangs on. Everything else counts.
"""

import ast
from typing import Final, NamedTuple

TYPING_CALLS: Final = frozenset(
    {"NewType", "ParamSpec", "TypeVar", "assert_never", "assert_type", "cast"}
)
"""Calls that do nothing when a program runs, or are there for the checker."""
LOGGERS: Final = frozenset({"log", "logger", "_log", "_logger"})
COMPOUND: Final = (
    ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.FunctionDef, ast.ClassDef,
    ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith,
)  # fmt: skip


class Place(NamedTuple):
    """Where a mutant is: what is around it, from the module inward."""

    around: tuple[ast.AST, ...]
    function: str
    lines: tuple[int, int]
    """Of the innermost statement; of a compound one only the head."""


class Reader:
    """The syntax of one file."""

    def __init__(self, text: str) -> None:
        """Read it once."""
        self._tree = ast.parse(text)
        self._bytes = [line.encode() for line in text.splitlines()]
        self._texts = text.splitlines()

    def place(self, line: int, column: int, line_end: int, column_end: int) -> Place:
        """What is around a place that is told in lines from 1 and characters from 0."""
        start, end = (line, self._byte(line, column)), (line_end, self._byte(line_end, column_end))
        around: list[ast.AST] = [self._tree]
        while inner := _child_around(around[-1], start, end):
            around.append(inner)
        names: list[str] = []
        statement: ast.stmt | None = None
        for each in around:
            if isinstance(each, ast.stmt):
                statement = each
            if isinstance(each, ast.ClassDef):
                names.append(each.name)
            elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                names += [each.name, "<locals>"]
        if names and names[-1] == "<locals>":
            names.pop()
        lines = (line, line_end) if statement is None else _lines(statement, line)
        return Place(tuple(around), ".".join(names), lines)

    def why_not(self, place: Place, operator: str, before: str, after: str) -> str:
        """The rule that leaves a mutant out, or empty."""
        if operator == "string" and " " in before.strip():
            return "a text for people: a literal with a blank in it"
        for each, inner in zip(place.around, (*place.around[1:], None), strict=True):
            if isinstance(each, ast.Assert) and inner is not None and inner is each.msg:
                return "what an assertion of ours would say"
            if isinstance(each, ast.Call):
                if _name(each.func) in TYPING_CALLS:
                    return "a word for the type checker"
                if _is_log(each):
                    return "what is logged"
            if isinstance(each, ast.BinOp) and isinstance(each.op, ast.BitOr) and _is_type(each):
                return "a union of types"
        if operator == "arg_removal" and _is_strict_only(before, after):
            return "`strict=True` of `zip`: an assertion of ours"
        if after == "False" and before == "True" and _in_strict(place):
            return "`strict=True` of `zip`: an assertion of ours"
        return ""

    def _byte(self, line: int, column: int) -> int:
        if not 0 < line <= len(self._texts):
            return column
        return len(self._texts[line - 1][:column].encode())


def _child_around(node: ast.AST, start: tuple[int, int], end: tuple[int, int]) -> ast.AST | None:
    for child in ast.iter_child_nodes(node):
        place = _span(child)
        if place is None:  # Arguments and cases of a match have no place.
            if inner := _child_around(child, start, end):
                return inner
            continue
        if place[0] <= start and end <= place[1]:
            return child
    return None


def _span(node: ast.AST) -> tuple[tuple[int, int], tuple[int, int]] | None:
    if isinstance(node, ast.stmt | ast.expr | ast.pattern | ast.keyword | ast.arg | ast.alias):
        begins, ends = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        return begins, (ends[0] or begins[0], ends[1] or begins[1])
    if isinstance(node, ast.ExceptHandler):
        return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
    return None


def _lines(statement: ast.stmt, line: int) -> tuple[int, int]:
    last = statement.end_lineno or statement.lineno
    if isinstance(statement, COMPOUND):
        bodies = [*getattr(statement, "body", ()), *getattr(statement, "cases", ())]
        starts = [_first_line(each) for each in bodies]
        later = [each for each in starts if each > statement.lineno]
        last = min(later) - 1 if later else statement.lineno
        if line > last:  # The pattern or guard of a case: its own line.
            return line, line
    return statement.lineno, max(last, statement.lineno)


def _first_line(node: ast.AST) -> int:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno
    return int(getattr(node, "lineno", 0))


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_log(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and _name(call.func.value) in LOGGERS


def _is_type(node: ast.expr) -> bool:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_type(left) and _is_type(right)
        case ast.Constant(value=None):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return (name[:1].isupper() and not name.isupper()) or name in {"int", "str", "float"}
        case ast.Subscript(value=value):
            return _is_type(value)
        case _:
            return False


def _is_strict_only(before: str, after: str) -> bool:
    whole = "".join(before.split())
    rest = "".join(after.split())
    if not whole.startswith("zip("):
        return False
    return rest in {
        whole.replace(",strict=True", ""),
        whole.replace(",strict=True", ","),
        whole.replace("strict=True", "strict=None"),
    }


def _in_strict(place: Place) -> bool:
    return any(isinstance(each, ast.keyword) and each.arg == "strict" for each in place.around)

"""The conditions of ``WHERE`` and ``HAVING``.

The one thing to know: AND binds tighter than OR, and a comparison of a starred path is true where
it is true for any of what the star stands for, each comparison for itself.
"""

from typing import Final, cast

from projections.query.limits import DEPTH_MAX
from projections.query.operands import OperandReader
from projections.query.scanner import PATTERN, Scanner
from projections.query.syntax import (
    AllOf,
    Always,
    AnyOf,
    Comparison,
    Condition,
    Match,
    Not,
    Operand,
    Operator,
)

OPERATORS: Final = ("==+", "==", "!=", "<>", "<=", ">=", "=", "<", ">")
AFTER_CONNECTIVE: Final = frozenset(" \t\r\n('\"!")
"""Else it is the beginning of another word, such as ``order``."""
SAME: Final = {"=": "==", "<>": "!="}


class ConditionReader:
    """Reads conditions from a scanner."""

    def __init__(self, scanner: Scanner, operands: OperandReader) -> None:
        self.scanner = scanner
        self.operands = operands
        self._depth = 0

    def read(self) -> Condition:
        """The condition that stands here; raises `QueryError`."""
        always = self._always()
        return self._any() if always is None else always

    def tests(self) -> Condition:
        """The condition that stands here, where neither ``true`` nor ``false`` is one."""
        return self._any()

    def _always(self) -> Condition | None:
        """``true`` or ``false`` alone, not as a side of a comparison."""
        scanner = self.scanner
        began = scanner.position
        word = scanner.literal("true", "false")
        if word is not None:
            after = scanner.position
            scanner.space()
            is_side = scanner.literal(*OPERATORS, "&&", "||") is not None
            is_side = is_side or scanner.keyword("as")
            if not is_side and (after == len(scanner.text) or scanner.text[after].isspace()):
                scanner.position = after
                return Always(word == "true")
        scanner.position = began
        return None

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._word("or", "||"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Condition:
        parts = [self._test()]
        while self._word("and", "&&"):
            parts.append(self._test())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _word(self, word: str, symbol: str) -> bool:
        """Whether the connective stands here, with or without whitespace about it."""
        scanner = self.scanner
        began = scanner.position
        scanner.space()
        found = scanner.literal(word.upper(), word, symbol)
        after = scanner.text[scanner.position : scanner.position + 1]
        if found is None or (found != symbol and after not in AFTER_CONNECTIVE):
            scanner.position = began
            return False
        scanner.space()
        return True

    def _test(self) -> Condition:
        scanner = self.scanner
        self._depth += 1
        if self._depth > DEPTH_MAX:
            what = f"Conditions are nested more than {DEPTH_MAX} deep"
            raise scanner.refused(what, scanner.position)
        began = scanner.position
        is_negated = scanner.literal("!") is not None or scanner.keyword("not")
        if is_negated:
            scanner.space()
        condition = self._parenthesised()
        if condition is None:
            scanner.position = began
            condition = self._comparison()
        elif is_negated:
            condition = Not(condition)
        self._depth -= 1
        return condition

    def _parenthesised(self) -> Condition | None:
        scanner = self.scanner
        scanner.space()
        if scanner.literal("(") is None:
            return None
        scanner.space()
        condition = self._any()
        scanner.space()
        if scanner.literal(")") is None:
            raise scanner.error()
        return condition

    def _comparison(self) -> Condition:
        scanner = self.scanner
        star = self.operands.star_path()
        left = self.operands.read() if star is None else star
        scanner.space()
        if star is None and scanner.literal("==~"):
            return self._match(cast("Operand", left))
        operator = scanner.literal(*OPERATORS)
        if operator is None:
            raise scanner.error()
        scanner.space()
        right = self.operands.read()
        return Comparison(cast("Operator", SAME.get(operator, operator)), left, right)

    def _match(self, operand: Operand) -> Match:
        scanner = self.scanner
        scanner.space()
        began = scanner.position
        pattern = scanner.match(PATTERN, "/a pattern/")
        if pattern is None:
            raise scanner.error()
        return Match(operand, pattern[1:-1], began)

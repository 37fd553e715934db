"""The operands of a query: properties, constants, prefixes, the time.

The one thing to know: a bare word that reads as a number, as ``true`` or as ``null`` is that, and
no property.
"""

import re
from math import isfinite
from typing import Final

from projections.query.limits import DEPTH_MAX, PARTS_MAX, STEPS_MAX
from projections.query.scanner import NUMBER, STRING, QueryError, Scanner
from projections.query.syntax import (
    STAR,
    Constant,
    Negated,
    Operand,
    Path,
    Prefixed,
    Property,
    Scalar,
    StarPath,
    Tick,
)

QUOTED: Final = re.compile(r""""[^"']+"|'[^"']+'""")
BEGINS_PATH: Final = re.compile(r"e\[")
BEGINS_PREFIX: Final = re.compile(r"e\[\s*\^")
NUMBER_AND_CONNECTIVE: Final = re.compile(rf"({NUMBER.pattern})(?:and|AND|or|OR)")
WHOLE_NUMBER_DIGITS_MAX: Final = 400
"""Of one number; Python refuses more than 4,300, and no event has them."""


PLACE_MAX: Final = 2**31
"""In a list; none is as long."""


class OperandReader:
    """Reads operands from a scanner, and counts them."""

    def __init__(self, scanner: Scanner) -> None:
        self.scanner = scanner
        self._parts = 0
        self._negations = 0

    def counted(self) -> None:
        """Note one more part of the query; raises `QueryError` when there are too many."""
        self._parts += 1
        if self._parts > PARTS_MAX:
            what = f"The query has more than {PARTS_MAX} parts"
            raise QueryError(what, self.scanner.text, self.scanner.position)

    def read(self) -> Operand:
        """The operand that stands here."""
        self.counted()
        scanner = self.scanner
        negation = self._negation()
        if negation is not None:
            return negation
        if BEGINS_PREFIX.match(scanner.text, scanner.position):
            return self._prefixed()
        text = scanner.match(STRING, "a string")
        if text is not None:
            return Constant(text[1:-1], self.alias())
        return self._plain()

    def _negation(self) -> Operand | None:
        scanner = self.scanner
        began = scanner.position
        if scanner.literal("!") is None and not scanner.keyword("not"):
            return None
        self._negations += 1
        if self._negations > DEPTH_MAX:
            raise scanner.refused(f"More than {DEPTH_MAX} negations of one another", began)
        operand = self.read()
        self._negations -= 1
        if not isinstance(operand, Property | Constant):
            raise scanner.refused("Only a property or a constant can be negated", began)
        return Negated(operand)

    def _prefixed(self) -> Prefixed:
        scanner = self.scanner
        found = BEGINS_PREFIX.match(scanner.text, scanner.position)
        assert found is not None
        scanner.position = found.end()
        quoted = scanner.match(QUOTED, "a quoted prefix")
        if quoted is None or scanner.literal("]") is None:
            raise scanner.error()
        return Prefixed(quoted[1:-1])

    def _plain(self) -> Operand:
        scanner = self.scanner
        if scanner.literal("tick()"):
            return Tick(self.alias())
        if BEGINS_PATH.match(scanner.text, scanner.position):
            path = self.path()
            return Property(path, self.alias())
        began = scanner.position
        word = scanner.word()
        if word is None:
            raise scanner.error()
        if word == "null":
            return Constant(None, self.alias())
        if word in {"true", "false"}:
            return Constant(word == "true", self.alias())
        joined = NUMBER_AND_CONNECTIVE.fullmatch(word)
        if joined is not None:
            word = joined[1]
            scanner.position = began + len(word)
        if NUMBER.fullmatch(word):
            return Constant(self._number(word, began), self.alias())
        return Property(Path((word,)), self.alias())

    def _number(self, word: str, began: int) -> Scalar:
        if len(word) > WHOLE_NUMBER_DIGITS_MAX:
            raise self.scanner.refused("The number has too many digits", began)
        value = float(word) if "." in word else int(word)
        if isinstance(value, float) and not isfinite(value):
            raise self.scanner.refused("The number is too large", began)
        return value

    def property(self) -> Property:
        """The property that stands here, without ``AS``."""
        self.counted()
        return Property(self.path())

    def path(self) -> Path:
        """The path of the property that stands here, a bare word or ``e[..]``."""
        scanner = self.scanner
        if not BEGINS_PATH.match(scanner.text, scanner.position):
            word = scanner.word()
            if word is None:
                raise scanner.error()
            return Path((word,))
        began = scanner.position
        steps = self._steps(may_star=False)
        if len(steps) > STEPS_MAX:
            raise scanner.refused(f"A path has at most {STEPS_MAX} steps", began)
        return Path(steps)

    def star_path(self) -> StarPath | None:
        """The starred path that stands here; None, and nothing is passed, if none does."""
        scanner = self.scanner
        began = scanner.position
        if not BEGINS_PATH.match(scanner.text, began):
            return None
        try:
            steps = self._steps(may_star=True)
        except QueryError:
            steps = ()
        stars = [place for place, step in enumerate(steps) if step is _Star]
        if not stars:
            scanner.position = began
            return None
        if len(stars) > 1:
            raise scanner.refused("A path may have one star", began)
        return StarPath(steps[: stars[0]], steps[stars[0] + 1 :])

    def _steps(self, *, may_star: bool) -> tuple[str | int, ...]:
        scanner = self.scanner
        scanner.literal("e")
        steps: list[str | int] = []
        while scanner.literal("["):
            steps.append(self._step(may_star=may_star))
            if scanner.literal("]") is None:
                raise scanner.error()
        return tuple(steps)

    def _step(self, *, may_star: bool) -> str | int:
        scanner = self.scanner
        quoted = scanner.match(QUOTED, "a quoted key")
        if quoted is not None:
            return quoted[1:-1]
        if may_star and (scanner.literal("*") or scanner.literal("'*'")):
            return _Star
        began = scanner.position
        number = scanner.match(NUMBER, "a number")
        if number is None:
            raise scanner.error()
        place = float(number)
        if abs(place) > PLACE_MAX:
            raise scanner.refused(f"A place in a list is at most {PLACE_MAX}", began)
        return int(place)

    def alias(self) -> str | None:
        """The name that ``AS`` gives; None where it gives none."""
        scanner = self.scanner
        began = scanner.position
        if self._negations:
            return None
        if not scanner.clause("as"):
            scanner.position = began
            return None
        name = scanner.match(STRING, "a quoted name")
        if name is None:
            raise scanner.error()
        return name[1:-1]


class _StarStep(str):
    """A star among the steps of a path, and not a key that is written so."""

    __slots__ = ()


_Star: Final = _StarStep(STAR)

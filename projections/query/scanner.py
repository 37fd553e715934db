"""Reading a query letter by letter, and remembering what would have fitted where it got stuck.

The one thing to know: an error names the furthest place that any reading reached, with all that
was expected there, as the engine of Mantis words it.
"""

import re
from typing import Final

WHITESPACE: Final = re.compile(r"\s+")
WORD: Final = re.compile(r"""[^",'\s*)(=!<>~]+""")
"""A bare property; ``&&`` and ``||`` end it as well."""
STREAM: Final = re.compile(r"[^,\s]+")
NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+(E-?[0-9]+)?)?")
STRING: Final = re.compile(r""""[^"\n]*"|'[^'\n]*'""")
PATTERN: Final = re.compile(r"/([^/\\]*(?:\\.[^/\\]*)*)/", re.DOTALL)
SYMBOLS: Final = ("&&", "||")
CARET_CHARACTERS: Final = 100
"""So many on each side of a place are shown with its caret, where the line is longer."""


class QueryError(ValueError):
    """A query that cannot be asked: what is wrong, and where in its text."""

    def __init__(self, what: str, text: str, position: int) -> None:
        before = text[:position]
        self.position = position
        self.line = before.count("\n") + 1
        self.column = position - (before.rfind("\n") + 1) + 1
        self.what = what
        self.text = text
        super().__init__(f"Parse error at line: {self.line} column: {self.column}. {what}")

    def caret(self) -> str:
        """The line of the query and a caret under the place, for people."""
        line = self.text.split("\n")[self.line - 1] if self.text else ""
        place = self.column - 1
        begin = max(0, place - CARET_CHARACTERS) if len(line) > 2 * CARET_CHARACTERS else 0
        end = begin + 2 * CARET_CHARACTERS
        shown = ("…" if begin else "") + line[begin:end] + ("…" if len(line) > end else "")
        return f"{shown}\n{' ' * (place - begin + bool(begin))}^"


class Scanner:
    """A text and a place in it; what does not fit is noted and leaves the place as it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._furthest = 0
        self._expected: dict[str, None] = {}

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.text)

    def expect(self, *what: str) -> None:
        """Note what would have fitted here."""
        if self.position > self._furthest:
            self._furthest = self.position
            self._expected = {}
        if self.position == self._furthest:
            self._expected |= dict.fromkeys(what)

    def error(self) -> QueryError:
        """What to say when no reading goes on."""
        expected = ", ".join(self._expected) or "the end"
        return QueryError(f"Expected one of {expected}", self.text, self._furthest)

    def refused(self, what: str, position: int) -> QueryError:
        """What to say of something that reads well and cannot be."""
        return QueryError(what, self.text, position)

    def space(self) -> bool:
        """Whether there was whitespace here; it is passed."""
        found = WHITESPACE.match(self.text, self.position)
        if found is None:
            self.expect("whitespace")
            return False
        self.position = found.end()
        return True

    def literal(self, *literals: str) -> str | None:
        """The first of these that stands here, passed; None if none does."""
        for each in literals:
            if self.text.startswith(each, self.position):
                self.position += len(each)
                return each
        self.expect(*literals)
        return None

    def keyword(self, word: str, *, is_spaced: bool = True) -> bool:
        """Whether the keyword stands here, all lower or all upper, and whitespace after it."""
        began = self.position
        if self.literal(word.upper(), word.lower()) is None:
            return False
        if is_spaced and not self.space():
            self.position = began
            return False
        return True

    def clause(self, word: str) -> bool:
        """Whether whitespace, the keyword and whitespace stand here."""
        began = self.position
        if self.space() and self.keyword(word):
            return True
        self.position = began
        return False

    def match(self, pattern: re.Pattern[str], name: str) -> str | None:
        """What the pattern finds here, passed; None, and its name is noted, if nothing."""
        found = pattern.match(self.text, self.position)
        if found is None:
            self.expect(name)
            return None
        self.position = found.end()
        return found[0]

    def word(self) -> str | None:
        """A bare property, passed; None if none stands here."""
        found = WORD.match(self.text, self.position)
        if found is None:
            self.expect("a property")
            return None
        word = found[0]
        ends = [place for each in SYMBOLS if (place := word.find(each)) >= 0]
        word = word[: min(ends)] if ends else word
        if not word:
            self.expect("a property")
            return None
        self.position += len(word)
        return word

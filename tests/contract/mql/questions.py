"""Made-up questions in MQL, over the whole grammar, with events to ask them of.

The one thing to know: all come from one seed, so a question that finds a difference is found again.
What hangs on chance or on the clock is left out: random samples of a part, and ``tick()``.
"""

import random
from typing import Any, Final, TypeVar

T = TypeVar("T")

FLAT: Final = ("a", "b", "c", "s", "t", "n", "e.f", "x-y", "a:b", "ключ", "é", "_", "A", "zz", "k5")
QUOTED: Final = (*FLAT, "l", "m", "with space", "😀", "0", "*", "a=b")
DEEP: Final = ("l", "m", "k", "x", "y")
TEXTS: Final = (
    *("", "a", "abc", "xabcx", "disk is full", "a\nb", "5", "5.0", "true", "null", "é", "ключ"),
    *("😀 smile", "a/b", "a.c", "ABC", " ", "*", "0", "-1", "aaa"),
)
NUMBERS: Final = (
    *(0, 1, 2, 3, 5, -1, -7, 10, 100, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1),
    *(2**63, 10**20, 0.0, 0.5, 1.5, 5.0, -1.5, 2.25, 1e300, 1e-7, 123456.789),
)
SMALL: Final = (0, 1, 2, 3, 5, -1)
PATTERNS: Final = (
    *(".*", ".*a.*", "a.*", ".*c", "abc", "a.c", "[a-z]+", ".*(full|abc).*", "a|abc", ".+", "\\d+"),
    *("(a|b)+", "a\\/b", "\\w+ \\w+", "(?i)abc", "[^a]*", "a{1,3}", "", "^a.*c$", "é", ".", "\\S+"),
    *("x?a.*x?", "disk.*full", ".*is.*", "-?[0-9]+", "\\*", "a\\.c", "(abc)", "(abc|5)", "5|5.0"),
)
FUNCTIONS: Final = (
    *("count", "sum", "min", "max", "average", "list", "COUNT", "SUM", "MIN", "MAX", "AVERAGE"),
    *("LIST", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p99", "P50"),
)
OPERATORS: Final = ("==", "=", "!=", "<>", "<", "<=", ">", ">=", "==+")
SPOILING: Final = "()[]'\",*=<>!|&~/e. \n0aé^%{}"


class Questions:
    """Questions, one after the other."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def next(self) -> dict[str, Any]:
        """A question: its text, mode and events."""
        chance = self._chance
        mql = self._query()
        if chance.random() < 0.12:
            mql = self._spoilt(mql)
        mode = chance.choices(("full", "client", "server"), (70, 12, 18))[0]
        is_tidy = self._is(0.6)
        events = [self._event(is_tidy=is_tidy) for _ in range(chance.randrange(8))]
        return {"mql": mql, "mode": mode, "events": events}

    def _is(self, share: float) -> bool:
        return self._chance.random() < share

    def _one(self, *parts: T) -> T:
        return self._chance.choice(parts)

    def _event(self, *, is_tidy: bool) -> dict[str, Any]:
        """An event; in tidy ones a key has values of one kind, or null."""
        chance = self._chance
        keys = chance.sample(QUOTED, chance.randrange(len(QUOTED)))
        event = {key: self._value(3, is_deep=key in {"l", "m"}) for key in keys}
        if is_tidy:
            numbers = {each: self._one(*SMALL, *NUMBERS, None) for each in ("a", "b", "c", "n")}
            texts = {each: self._one(*TEXTS, None) for each in ("s", "t")}
            tidy = {**numbers, **texts}.items()
            event |= {key: value for key, value in tidy if self._is(0.8)}
        return event

    def _value(self, depth: int, *, is_deep: bool = False) -> Any:
        kind = self._chance.random()
        if depth and (is_deep or kind < 0.12):
            if self._is(0.5):
                return [self._value(depth - 1) for _ in range(self._chance.randrange(4))]
            keys = self._chance.sample(DEEP, self._chance.randrange(4))
            return {key: self._value(depth - 1, is_deep=self._is(0.3)) for key in keys}
        if kind < 0.45:
            return self._one(*SMALL)
        if kind < 0.58:
            return self._one(*NUMBERS)
        if kind < 0.85:
            return self._one(*TEXTS)
        return self._one(True, False, None)

    def _query(self) -> str:
        is_aggregate = self._is(0.4)
        select = self._one("select", "SELECT") + " " + self._items(is_aggregate=is_aggregate)
        where = self._clause("where", self._condition(2)) if self._is(0.6) else ""
        if not is_aggregate:
            source = self._clause("from", "stream") if self._is(0.4) else ""
            window = self._window() if source and self._is(0.15) else ""
            group = self._groups() if source and self._is(0.1) else ""
            limit = f" limit {self._chance.randrange(5)}" if self._is(0.2) else ""
            order = self._order() if self._is(0.2) else ""
            return select + source + window + where + group + limit + order + self._sample()
        window = self._window() if self._is(0.7) else ""
        group = self._groups() if self._is(0.5) else ""
        having = self._clause("having", self._condition(1)) if self._is(0.15) else ""
        order = self._order() if self._is(0.25) else ""
        limit = f" limit {self._chance.randrange(4)}" if self._is(0.2) else ""
        source = self._clause("from", "stream")
        return select + source + window + where + group + having + order + limit + self._sample()

    def _clause(self, word: str, rest: str) -> str:
        return f" {self._one(word, word, word.upper())} {rest}"

    def _items(self, *, is_aggregate: bool) -> str:
        if not is_aggregate and self._is(0.2):
            return "*"
        items = [self._operand(is_named=True) for _ in range(self._chance.randrange(1, 4))]
        if is_aggregate:
            items = items[: self._chance.randrange(len(items))]
            items += [self._aggregate() for _ in range(self._chance.randrange(1, 4))]
            self._chance.shuffle(items)
        return self._one(", ", ",", " , ").join(items)

    def _aggregate(self) -> str:
        function = self._one(*FUNCTIONS)
        inside = self._one("*", self._path(), self._path(), self._path(), self._path())
        if function.lower() not in {"count", "list"} and inside == "*":
            inside = self._path()
        if self._is(0.1):
            inside = f"distinct {self._path()}"
        return f"{function}({inside})" + self._alias()

    def _alias(self) -> str:
        return f" as '{self._one('n', 'x', 'two words', 'a')}'" if self._is(0.25) else ""

    def _operand(self, *, is_named: bool = False) -> str:
        kind = self._chance.random()
        alias = self._alias() if is_named else ""
        if kind < 0.8:
            return self._path() + alias
        if kind < 0.86 and is_named:
            return f"e[^'{self._one('a', 'e', 'x', 'l', '')}']"
        if kind < 0.9:
            return self._one("!", "not ") + self._path()
        return str(self._constant()) + alias

    def _constant(self) -> str:
        kind = self._chance.random()
        if kind < 0.4:
            return str(self._one(*SMALL))
        if kind < 0.55:
            return str(self._one(*NUMBERS)).replace("e-", "E-").replace("e+", "E")
        if kind < 0.8:
            text = self._one(*TEXTS)
            return self._one(f"'{text}'", f"'{text}'", f'"{text}"')
        return str(self._one("true", "false", "null"))

    def _path(self) -> str:
        kind = self._chance.random()
        if kind < 0.6:
            return str(self._one(*FLAT[:6], *FLAT))
        if kind < 0.75:
            return f"e['{self._one(*QUOTED)}']"
        steps = "".join(self._step() for _ in range(self._chance.randrange(1, 4)))
        return f"e['{self._one('l', 'm')}']{steps}"

    def _step(self) -> str:
        if self._is(0.5):
            return f"[{self._one(0, 0, 1, 2, -1, -2)}]"
        return f"['{self._one(*DEEP)}']" if self._is(0.9) else f'["{self._one(*DEEP)}"]'

    def _condition(self, depth: int) -> str:
        kind = self._chance.random()
        if depth and kind < 0.35:
            word = self._one("and", "or", "&&", "||", "AND", "OR")
            sides = [self._condition(depth - 1) for _ in range(self._chance.randrange(2, 4))]
            return f" {word} ".join(sides)
        if depth and kind < 0.5:
            return f"({self._condition(depth - 1)})"
        if depth and kind < 0.6:
            return self._one("not ", "NOT ", "!", "! ") + f"({self._condition(depth - 1)})"
        if kind < 0.62:
            return str(self._one("true", "false"))
        if kind < 0.72:
            return f"{self._path()} ==~ /{self._one(*PATTERNS)}/"
        if kind < 0.82:
            after = self._one("", "['k']", "['x']", "['k']['y']")
            before = self._one("", "['k']", "['k']['x']")
            star = f"e['{self._one('l', 'm')}']{before}[*]{after}"
            return f"{star} {self._operator()} {self._constant()}"
        return self._compared()

    def _compared(self) -> str:
        if self._is(0.75):
            return f"{self._path()} {self._operator()} {self._constant()}"
        return f"{self._operand()} {self._operator()} {self._operand()}"

    def _operator(self) -> str:
        return str(self._one(*OPERATORS))

    def _window(self) -> str:
        return self._clause("window", self._one("|1|", "|2|", "|3|", "|5|", "60"))

    def _groups(self) -> str:
        paths = [self._path() for _ in range(self._one(1, 1, 1, 2))]
        return self._clause("group by", self._one(", ", ",").join(paths))

    def _order(self) -> str:
        return self._clause("order by", self._path()) + self._one("", "", " desc", " DESC")

    def _sample(self) -> str:
        if not self._is(0.08):
            return ""
        if self._is(0.2):
            threshold = self._one(0, 10_000)
            return f" sample {{'strategy':'RANDOM','threshold':{threshold}}}"
        keys = ",".join(f"'{self._one(*FLAT)}'" for _ in range(self._one(1, 2)))
        rest = self._one("", ",'salt':7", ",'factor':100", ",'extrapolate':true")
        threshold = self._one(50, 5_000, 9_000)
        return f" sample {{'strategy':'STICKY','keys':[{keys}],'threshold':{threshold}{rest}}}"

    def _spoilt(self, mql: str) -> str:
        """The text with one letter too many or too few, or one word gone."""
        chance = self._chance
        place = chance.randrange(len(mql))
        kind = chance.random()
        if kind < 0.4:
            return mql[:place] + mql[place + 1 :]
        if kind < 0.8:
            return mql[:place] + chance.choice(SPOILING) + mql[place:]
        words = mql.split(" ")
        del words[chance.randrange(len(words))]
        return " ".join(words)

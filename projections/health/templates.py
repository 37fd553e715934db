"""Templates of log lines as a stream: each line's template, known as soon as the line is read.

The one thing to know: a template is a function of its line (`masks.py`) as long as its words are
few, so its id is the same in every process and after every restart. Only where a word takes more
values than a state ever has is it masked from then on; ids that were told before stand.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

from projections.health.masks import (
    MASK,
    all_without_digits,
    generalised,
    is_word,
    masked,
    tokens_of,
    without_digits,
)

RECENT_LINES_MAX: Final = 65_536
"""Lines whose template is remembered without masking them again, about 15 MB."""
REMEMBERED_BYTES_MAX: Final = 1_024
"""Longer lines are rare and masked each time, so that memory stays what it is."""
TEXT_CHARACTERS_MAX: Final = 1_024
"""Of a template; lines that only differ behind these are of one."""
TEMPLATES_MAX: Final = 20_000
"""A program has hundreds of messages; what comes behind these has one template for all."""
VALUES_MAX: Final = 8
"""Words that differ in one place alone, before the place counts as a value's."""
SHAPE_TEMPLATES_MAX: Final = 256
"""Templates with the same first word and length, before all but the first word is masked."""
_DIGEST_BYTES: Final = 6
Key = TypeVar("Key")
Value = TypeVar("Value")


class Template(msgspec.Struct, frozen=True, gc=False):
    """What lines have in common; `number` counts from 0 in the order of their first lines."""

    template_id: str
    text: str
    number: int


class TemplateMiner:
    """Finds the template of each line, from that line and earlier ones only.

    It may begin with the texts of templates that are known already, in their order.
    """

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self.templates: list[Template] = []
        self.masked_lines = 0
        """Lines that had to be masked; the others were remembered."""
        self._recent: dict[bytes, Template] = {}
        self._by_masked: dict[str, Template] = {}
        self._by_text: dict[str, Template] = {}
        self._values: dict[str, int] = {}
        self._shapes: dict[tuple[str, int], int] = {}
        for text in texts:
            self._of_text(self._bounded(text))

    def template(self, line: str) -> Template:
        """The template of a line; the same line has the same template for ever but by chance."""
        key = without_digits(line)
        found = self._recent.get(key)
        return self._found(key) if found is None else found

    def all_of(self, lines: Sequence[str], block: bytes) -> list[Template]:
        """The templates of these lines; ``block`` has them too, with line feeds between."""
        keys = all_without_digits(lines, block)
        found = [self._recent.get(key) for key in keys]
        return [
            self._recent.get(key) or self._found(key) if template is None else template
            for key, template in zip(keys, found, strict=True)
        ]

    def _found(self, key: bytes) -> Template:
        """The template of a line that is not remembered."""
        self.masked_lines += 1
        line = masked(key.decode("utf-8"))
        template = self._by_masked.get(line)
        if template is None:
            text = generalised(line)[:TEXT_CHARACTERS_MAX]
            template = self._of_text(self._bounded(text))
            if len(line) <= REMEMBERED_BYTES_MAX:
                self._by_masked = _with_room(self._by_masked, RECENT_LINES_MAX)
                self._by_masked[line] = template
        if len(key) <= REMEMBERED_BYTES_MAX:
            self._recent = _with_room(self._recent, RECENT_LINES_MAX)
            self._recent[key] = template
        return template

    def _of_text(self, text: str) -> Template:
        template = self._by_text.get(text)
        if template is None:
            digest = blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
            template = Template(digest, text, len(self.templates))
            self.templates.append(template)
            self._by_text[text] = template
        return template

    def _bounded(self, text: str) -> str:
        """The same text, or a more general one where too many are like it."""
        if text in self._by_text:
            return text
        tokens = tokens_of(text)
        for place, token in enumerate(tokens):
            if is_word(token) and self._is_value(tokens, place):
                tokens[place] = MASK
                text = "".join(tokens)
                if text in self._by_text:
                    return text
        if len(self.templates) >= TEMPLATES_MAX - 1:
            return MASK
        shape = (tokens[0] if tokens else "", len(tokens))
        alike = self._shapes.get(shape, 0)
        if alike >= SHAPE_TEMPLATES_MAX:
            return f"{shape[0]} {MASK} ({shape[1]} parts)"
        self._shapes = _with_room(self._shapes, TEMPLATES_MAX)
        self._shapes[shape] = alike + 1
        return text

    def _is_value(self, tokens: list[str], place: int) -> bool:
        """Whether this place has had too many different words to be a part of the text."""
        around = "".join((*tokens[:place], "\0", *tokens[place + 1 :]))
        count = self._values.get(around, 0)
        if count >= VALUES_MAX:
            return True
        self._values = _with_room(self._values, 4 * TEMPLATES_MAX)
        self._values[around] = count + 1
        return False


def _with_room(table: dict[Key, Value], entries_max: int) -> dict[Key, Value]:
    """The table, without its older half if it is full."""
    if len(table) < entries_max:
        return table
    return dict(list(table.items())[entries_max // 2 :])

"""YAML text as a plain document, and where each part of it stands: line and column.

The one thing to know: values are YAML 1.2's core schema and nothing more: ``yes`` and ``on`` are
texts, tags and merge keys are refused, and a key that stands twice is a fault and not the last one.
Aliases are followed, up to a limit of entries, so that no file grows in memory beyond its size.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from scheduler.model.reading.faults import Faults, path_below, shown_text
from scheduler.model.reading.json_text import DoubledObject

FILE_BYTES_MAX: Final = 512 * 1024
"""What a record of the log may hold; a file that says more could not be applied."""
ENTRIES_MAX: Final = 100_000
DEPTH_MAX: Final = 32
BRACKETS_OPEN_MAX: Final = 500
"""A pattern may hold some that it never closes; nobody writes so many."""
_BRACKETS: Final = re.compile(r"[\[\]{}]")
_DIGITS_MAX: Final = 20
_WHOLE: Final = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[Mapping[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


_CORE: Final = "tag:yaml.org,2002:"
_TAGS: Final = frozenset(("str", "int", "float", "bool", "null", "timestamp"))
"""What the parser itself says of words without a tag; what they mean is decided here."""


class Place(NamedTuple):
    """Where something stands in a text, both counted from 1."""

    line: int
    column: int


class YamlText(NamedTuple):
    """A YAML text as a plain document, with the place of every path in it."""

    document: Any
    places: Mapping[str, Place]

    def place_of(self, path: str) -> Place | None:
        """Where ``path`` stands, or the nearest thing around it that is there."""
        while path and path not in self.places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.places.get(path)


def read_yaml(
    text: str, faults: Faults, hint: str = "`flumina policy show` writes one to begin with"
) -> YamlText:
    """The document in ``text``; None in its place, and a fault, where it is no YAML.

    ``hint``: what to do about an empty one.
    """
    if len(text.encode("utf-8", "surrogatepass")) > FILE_BYTES_MAX:
        faults.add("", f"is longer than {FILE_BYTES_MAX} bytes", "name fewer groups or selectors")
        return YamlText(None, {})
    if _open_brackets(text) > BRACKETS_OPEN_MAX:
        # Before it is parsed: for ten thousand of them ruamel takes seconds to give up.
        faults.add("", "is nested too deeply to be read", "write fewer brackets within one another")
        return YamlText(None, {})
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        place = _whole_at(error.problem_mark or error.context_mark)
        what = " ".join(str(error.problem or error.context or "cannot be read").split())
        faults.add("", f"is not YAML: {what}", "indent by spaces, one entry a line")
        return YamlText(None, place)
    except RecursionError:
        faults.add("", "is nested too deeply to be read", "write fewer brackets within one another")
        return YamlText(None, {})
    except (YAMLError, ValueError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        faults.add("", f"is not YAML: {what[:200]}", "save it as UTF-8 text")
        return YamlText(None, {})
    if node is None:
        faults.add("", "is empty", hint)
        return YamlText(None, {})
    counted: dict[int, int] = {}
    if _written_out(node, counted) > ENTRIES_MAX:
        # Before it is walked over: a few hundred bytes of aliases can stand for any number of them.
        text = f"stands for more than {ENTRIES_MAX} entries, as its aliases are followed"
        faults.add("", text, "write it out, without aliases")
        return YamlText(None, _whole_at(_first_above(node, counted).start_mark))
    reader = _Reader(faults)
    return YamlText(reader.value(node, "", 0), reader.places)


def _whole_at(mark: StreamMark | None) -> dict[str, Place]:
    """Where a fault of the whole text is told to stand."""
    return {} if mark is None else {"": Place(mark.line + 1, mark.column + 1)}


def _open_brackets(text: str) -> int:
    """The most brackets that stand open at once, those in quotes and comments among them."""
    most = depth = 0
    for each in _BRACKETS.findall(text):
        depth = depth + 1 if each in "[{" else max(0, depth - 1)
        most = max(most, depth)
    return most


def _written_out(node: Node, counted: dict[int, int]) -> int:
    """How many entries the node stands for; more than any limit where it holds itself.

    ``counted``: what is known so far, by the nodes' identity. Each node is counted once.
    """
    key = id(node)
    if key not in counted:
        counted[key] = ENTRIES_MAX + 1
        entries = 1
        if isinstance(node, MappingNode):
            entries += sum(_written_out(value, counted) for _, value in node.value)
        elif isinstance(node, SequenceNode):
            entries += sum(_written_out(each, counted) for each in node.value)
        counted[key] = entries
    return counted[key]


def _first_above(node: Node, counted: dict[int, int]) -> Node:
    """What first stands for too many entries: a value of the document, or the document itself."""
    values = [value for _, value in node.value] if isinstance(node, MappingNode) else []
    return next((each for each in values if counted[id(each)] > ENTRIES_MAX), node)


class _Reader:
    """Walks over the nodes of one text."""

    def __init__(self, faults: Faults) -> None:
        self.places: dict[str, Place] = {}
        self._faults = faults

    def value(self, node: Node, path: str, depth: int) -> object:
        """The node's value; what is wrong with it is remembered with its path."""
        mark = node.start_mark
        if mark is not None:
            self.places.setdefault(path, Place(mark.line + 1, mark.column + 1))
        if depth > DEPTH_MAX:
            self._faults.add(path, "is nested too deeply", "write fewer levels")
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return [
                self.value(each, f"{path}[{place}]", depth + 1)
                for place, each in enumerate(node.value)
            ]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        doubled: dict[str, None] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._faults.add(path, "has a name that is no text", "write name: value")
                continue
            key = str(key_node.value)
            inner = path_below(path, key)
            if key == "<<" and key_node.style is None:
                self._faults.add(inner, "is a merge key", "write out what it would merge")
                continue
            if key in found:
                doubled[key] = None
            mark = key_node.start_mark
            if mark is not None:
                self.places[inner] = Place(mark.line + 1, mark.column + 1)
            found[key] = self.value(value_node, inner, depth + 1)
        if not doubled:
            return found
        answer = DoubledObject(found)
        answer.doubled = tuple(doubled)
        return answer

    def _scalar(self, node: ScalarNode, path: str) -> object:
        text = str(node.value)
        tag = str(node.tag or "")
        if tag.removeprefix(_CORE) not in _TAGS:
            self._faults.add(path, f"has the tag {shown_text(tag)}", "leave it out")
            return None
        return text if node.style is not None else plain_value(text)


def plain_value(text: str) -> object:
    """What a word without quotes means in YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _DIGITS_MAX:
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text

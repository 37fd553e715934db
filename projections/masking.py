"""Masking of what names of keys say is secret, in everything that is shown to people or leaves.

The one thing to know: the name decides, never the value. Under a name of an environment every
value is masked; under a name that one of the patterns fits, every text is. The same names are
looked for inside texts, as ``NAME=value``, ``NAME: value`` and ``--name value``, for that is how
secrets come into log lines and commands. Shapes, names and numbers stay as they are, so that a
page shows a masked answer as any other.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import translate
from typing import Any, Final

import msgspec

from scheduler.model.reading.bad_bytes import BAD_BYTES

MASK: Final = "masked"
ENVIRONMENT_KEYS: Final = frozenset(("env", "environment"))
"""Names under which descriptors of jobs have their environment."""
DEFAULT_PATTERNS: Final = (
    "*password*",
    "*passwd*",
    "*passphrase*",
    "*secret*",
    "*token",
    "*api_key*",
    "*apikey*",
    "*access_key*",
    "*accesskey*",
    "*private_key*",
    "*privatekey*",
    "*credential*",
    "authorization",
    "cookie",
    "set_cookie",
)
"""Of names as they are compared: in lower case, with ``_`` for every ``-``, ``.`` and blank."""
PATTERNS_MAX: Final = 100
PATTERN_CHARACTERS_MAX: Final = 100
DEPTH_MAX: Final = 100
"""JSON that is nested deeper is masked whole from there on."""
_NAMES_REMEMBERED_MAX: Final = 10_000
_ENVIRONMENT_NAMES: Final = ENVIRONMENT_KEYS | {"environment_variables"}
# A name is looked at once, from its first character, and has a bound: so a line of a mebibyte
# costs a walk along it and no more.
_NAMED: Final = re.compile(r"(?<![\w.\-])([\w.\-]{1,100})[\\\\\"']{0,4}\s{0,3}[=:]\s{0,3}")
_VALUE: Final = re.compile(r"(?:(Bearer|Basic)\s)?(?:\\{0,3}\"[^\"]*\"|'[^']*'|[^\s\"',;&]+)")
"""What stands behind a secret name; behind another name the search goes on, for a secret one may
stand there: ``ValueError: token=x``."""
_IN_ADDRESS: Final = re.compile(r"(?<=://)([^\s/:@]{1,200}):([^\s/@]{1,200})@")
_OPTION: Final = re.compile(r"--?([\w.\-]{1,100})\Z")
_OPTION_IN_TEXT: Final = re.compile(r"(?<!\S)(--?)([\w.\-]{1,100})(\s{1,3})(?![-\s])(\S+)")


class Masker:
    """Masks by patterns of names; without any it masks environments alone."""

    def __init__(self, patterns: Sequence[str] = DEFAULT_PATTERNS) -> None:
        """``patterns`` are names with ``*`` and ``?``, as `DEFAULT_PATTERNS` has them."""
        whole = "|".join(translate(_compared(each)) for each in patterns)
        self._fits = re.compile(whole) if whole else None
        self._known: dict[str, bool] = {}

    def is_secret(self, name: str) -> bool:
        """Whether texts under this name are masked."""
        known = self._known.get(name)
        if known is None:
            known = self._fits is not None and self._fits.match(_compared(name)) is not None
            if len(self._known) < _NAMES_REMEMBERED_MAX:
                self._known[name] = known
        return known

    def value(self, value: Any) -> Any:  # noqa: ANN401 - JSON is any value
        """The JSON value with what is secret masked; the same object where nothing is."""
        return self._value(value, DEPTH_MAX)

    def text(self, text: str) -> str:
        """The text with values masked that stand behind secret names in it."""
        masked = text
        if "=" in text or ":" in text:
            masked = self._without_values(masked)
            if "://" in text:
                masked = _IN_ADDRESS.sub(rf"\1:{MASK}@", masked)
        if "-" in text:
            masked = _OPTION_IN_TEXT.sub(self._masked_option, masked)
        return text if masked == text else masked

    def json(self, data: bytes) -> bytes:
        """The JSON text masked; what is no JSON is masked as text."""
        try:
            value = msgspec.json.decode(data)
        except BAD_BYTES:
            return self.plain(data)
        masked = self.value(value)
        return data if masked is value else msgspec.json.encode(masked)

    def plain(self, data: bytes) -> bytes:
        """Text of any bytes masked; what is no UTF-8 in it stays as it is."""
        text = data.decode("utf-8", "surrogateescape")
        masked = self.text(text)
        return data if masked is text else masked.encode("utf-8", "surrogateescape")

    def event_line(self, line: bytes) -> bytes:
        """A line of server-sent events masked: what is behind ``data:``; others as they are."""
        if not line.startswith(b"data:"):
            return line
        body = line[5:].strip()
        masked = self.json(body)
        end = line[len(line.rstrip(b"\r\n")) :]
        return line if masked is body else b"data: " + masked + end

    def _value(self, value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON is any value
        if isinstance(value, str):
            return self.text(value)
        if depth == 0 and isinstance(value, dict | list):
            return MASK
        if isinstance(value, Mapping):
            return self._mapping(value, depth - 1)
        if isinstance(value, list | tuple):
            return self._list(value, depth - 1)
        return value

    def _mapping(self, value: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        masked = {name: self._named(name, each, depth) for name, each in value.items()}
        is_same = all(masked[name] is each for name, each in value.items())
        named = masked.get("name")
        has_text = isinstance(masked.get("value"), str)
        if has_text and isinstance(named, str) and self.is_secret(named):
            return {**masked, "value": MASK}  # As Mesos has its environments.
        return value if is_same else masked

    def _named(self, name: str, value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON
        if value is None or value == "":
            return value
        if _compared(name) in _ENVIRONMENT_NAMES:
            return _environment(value)
        if self.is_secret(name) and isinstance(value, str | Mapping | list | tuple):
            return MASK if value else value
        return self._value(value, depth)

    def _list(self, value: Sequence[Any], depth: int) -> Sequence[Any]:
        masked = []
        is_next = False
        for each in value:
            masked.append(MASK if is_next and isinstance(each, str) else self._value(each, depth))
            option = _OPTION.match(each) if isinstance(each, str) else None
            is_next = option is not None and self.is_secret(option[1])
        is_same = all(now is was for now, was in zip(masked, value, strict=True))
        is_pair = len(value) == 2 and all(isinstance(each, str) and each for each in value)
        if is_pair and self.is_secret(value[0]):
            return [value[0], MASK]  # As environments of the log are.
        return value if is_same else masked

    def _without_values(self, text: str) -> str:
        """The text with a mask for each value behind a secret name."""
        parts: list[str] = []
        at = begin = 0
        while (found := _NAMED.search(text, at)) is not None:
            at = found.end()
            value = _VALUE.match(text, at) if self.is_secret(found[1]) else None
            if value is not None:
                scheme = f"{value[1]} " if value[1] else ""
                parts += [text[begin:at], scheme, MASK]
                begin = at = value.end()
        return "".join(parts) + text[begin:] if parts else text

    def _masked_option(self, found: re.Match[str]) -> str:
        dashes, name, blank, _ = found.groups()
        return f"{dashes}{name}{blank}{MASK}" if self.is_secret(name) else found[0]


def _compared(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_").replace(" ", "_")


def _environment(value: Any) -> Any:  # noqa: ANN401 - JSON is any value
    """An environment with its names and no value, in each of the shapes that they have."""
    if isinstance(value, Mapping):
        if isinstance(value.get("variables"), list):
            return {**value, "variables": _environment(value["variables"])}
        return dict.fromkeys(value, MASK)
    if isinstance(value, list | tuple):
        return [_variable(each) for each in value]
    return MASK if isinstance(value, str) else value


def _variable(value: Any) -> Any:  # noqa: ANN401 - JSON is any value
    if isinstance(value, Mapping) and "name" in value:
        return {"name": value["name"], **dict.fromkeys((k for k in value if k != "name"), MASK)}
    if isinstance(value, list | tuple) and len(value) == 2:
        return [value[0], MASK]
    return MASK

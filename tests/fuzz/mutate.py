"""Spoilt copies of good inputs, each a function of a seed and a number.

The one thing to know: half of the changes are blind (bits, bytes, cuts, joins), half know the
format: a value of a JSON document is replaced, doubled, removed or wrapped, a number becomes an
odd one, a word of a dictionary goes anywhere.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.fuzz.parser import Kind

BYTES_MAX: Final = 64 * 1024
"""Of an input that mutation makes; larger ones are planted."""
ODD_NUMBERS: Final = (
    *("0", "-0", "-1", "1", "2147483648", "-2147483649", "4294967296", "9007199254740993"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("18446744073709551616", "1e308", "1e309", "-1e999", "0.1", "1e-400", "NaN", "Infinity"),
    *("-Infinity", "1" + "0" * 400, "9" * 5_000, "1_000", "0x10", "٣", "²", "+1", "1.", ".5"),
)
ODD_TEXTS: Final = (
    *("", " ", "\x00", "\ufeff", "\u202egpj.exe", "\u2028", "\x85", "\x0b", "\x1c", "\ud800"),
    *("\udfff", "😀", "ß" * 40, "İ", "a" * 300, "a" * 5_000, "..", "../../etc/passwd", "/"),
    *("%00", "%2e%2e", "'", '"', "\\", "{}", "[]", "null", "true", "NaN", "-", "*", "**", "(", "["),
    *("(a+)+$", "{{1000}}", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "2026-02-30"),
    *("http://169.254.169.254/", "file:///etc/passwd", "\r\nX: y", "=1+1", "__class__"),
)
ODD_BYTES: Final = (
    *(
        b"\x00",
        b"\xff",
        b"\xfe\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
    ),
    *(b"\n", b"\r", b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"\x80", b"\x7f\xff\xff\xff"),
    *(b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"[[[[", b"{{{{", b'"', b"\\u", b"\\ud800"),
    *(b"&a [*a]", b"*a", b"<<: ", b"!!python/object:os.system ", b"? ", b"- ", b"---\n", b": "),
    *(b",", b";", b"\t", b"#", b"'", b"%", b"=", b"9" * 30, b"-1", b"1e999", b"NaN", b"e", b"."),
)

Change = Callable[[random.Random, bytes], bytes]


def spoilt(kind: Kind, samples: Sequence[bytes], chance: random.Random) -> bytes:
    """A sample with one to four changes."""
    data = chance.choice(samples)
    changes = _BLIND + _OF_KIND[kind]
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        change = chance.choice(changes)
        data = (
            _joined(chance, data, samples)
            if change is _bits and chance.random() < 0.1
            else (change(chance, data))
        )
    return data[:BYTES_MAX]


def _joined(chance: random.Random, data: bytes, samples: Sequence[bytes]) -> bytes:
    other = chance.choice(samples)
    return data[: _at(chance, data)] + other[_at(chance, other) :]


def _at(chance: random.Random, data: bytes) -> int:
    return chance.randint(0, len(data))


def _bits(chance: random.Random, data: bytes) -> bytes:
    if not data:
        return b"\x01"
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: _at(chance, data)]


def _removed(chance: random.Random, data: bytes) -> bytes:
    at = _at(chance, data)
    return data[:at] + data[at + chance.choice((1, 1, 2, 4, 16)) :]


def _inserted(chance: random.Random, data: bytes) -> bytes:
    at = _at(chance, data)
    piece = chance.choice(ODD_BYTES)
    return data[:at] + piece * chance.choice((1, 1, 1, 2, 50)) + data[at:]


def _repeated(chance: random.Random, data: bytes) -> bytes:
    begin = _at(chance, data)
    end = min(len(data), begin + chance.choice((1, 4, 16, 64)))
    times = chance.choice((2, 2, 3, 10, 200))
    return data[:begin] + data[begin:end] * times + data[end:]


def _random(chance: random.Random, data: bytes) -> bytes:
    at = _at(chance, data)
    return data[:at] + chance.randbytes(chance.choice((1, 2, 4, 16))) + data[at + 4 :]


def _odd_number(chance: random.Random, data: bytes) -> bytes:
    """A run of digits becomes an odd number."""
    at = _at(chance, data)
    begin = next((i for i in range(at, len(data)) if 48 <= data[i] <= 57), -1)
    if begin < 0:
        return _inserted(chance, data)
    end = begin
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    return data[:begin] + chance.choice(ODD_NUMBERS).encode() + data[end:]


def _odd_text(chance: random.Random, data: bytes) -> bytes:
    at = _at(chance, data)
    text = chance.choice(ODD_TEXTS).encode("utf-8", "surrogatepass")
    return data[:at] + text + data[at + chance.choice((0, 0, 1, len(text))) :]


def _any_value(chance: random.Random, depth: int = 0) -> Any:
    what = chance.randrange(8 if depth < 3 else 6)
    if what == 0:
        return chance.choice((None, True, False))
    if what in {1, 2}:
        text = chance.choice(ODD_NUMBERS)
        return _Number(text)
    if what in {3, 4, 5}:
        return chance.choice(ODD_TEXTS)
    if what == 6:
        return [_any_value(chance, depth + 1) for _ in range(chance.choice((0, 1, 2, 50)))]
    return {
        chance.choice(ODD_TEXTS): _any_value(chance, depth + 1) for _ in range(chance.randrange(3))
    }


class _Number:
    """Digits that are written as they are."""

    def __init__(self, text: str) -> None:
        self.text = text


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            found.append((value, name))
            _places(inner, found)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found.append((value, index))
            _places(inner, found)
    return found


def _document(chance: random.Random, data: bytes) -> bytes:
    """One place of a JSON document is changed; bytes that are none are changed blindly."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _inserted(chance, data)
    places = _places(value, [])
    if not places:
        return _written(_any_value(chance))
    holder, key = chance.choice(places)
    what = chance.randrange(6)
    if what <= 2:
        holder[key] = _any_value(chance)
    elif what == 3:
        del holder[key]
    elif what == 4:
        other_holder, other_key = chance.choice(places)
        # A value below itself would be written without end, so it is copied.
        holder[key] = json.loads(json.dumps(other_holder[other_key]))
    elif isinstance(holder, dict):
        holder[chance.choice(ODD_TEXTS)] = holder.pop(key)
    else:
        holder.extend([holder[key]] * chance.choice((1, 5, 100)))
    return _written(value)


def _written(value: Any) -> bytes:
    numbers: list[str] = []

    def kept(number: _Number) -> str:
        numbers.append(number.text)
        return f"\x01{len(numbers) - 1}\x01"

    text = json.dumps(value, default=kept)
    for place, number in enumerate(numbers):
        text = text.replace(f'"\\u0001{place}\\u0001"', number)
    return text.encode("utf-8", "surrogatepass")


def _line(chance: random.Random, data: bytes) -> bytes:
    """A line is doubled, removed, moved or indented."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    what = chance.randrange(5)
    if what == 0:
        lines.insert(at, lines[at])
    elif what == 1:
        del lines[at]
    elif what == 2:
        lines[at] = b"  " + lines[at]
    elif what == 3:
        lines.insert(chance.randrange(len(lines)), lines.pop(at))
    else:
        head, colon, _ = lines[at].partition(b":")
        odd = chance.choice((*ODD_NUMBERS, *ODD_TEXTS)).encode("utf-8", "surrogatepass")
        lines[at] = head + (colon or b",") + b" " + odd
    return b"\n".join(lines)


_BLIND: Final[tuple[Change, ...]] = (_bits, _cut, _removed, _inserted, _repeated, _random)
_OF_KIND: Final[dict[Kind, tuple[Change, ...]]] = {
    "json": (_document,) * 6 + (_odd_number, _odd_text),
    "yaml": (_line, _line, _line, _odd_number, _odd_text, _odd_text),
    "text": (_odd_number, _odd_number, _odd_text, _odd_text, _line),
    "binary": (_odd_number, _odd_text, _bits, _bits),
}

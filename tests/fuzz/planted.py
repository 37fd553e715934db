"""Bad inputs that are known to hurt parsers, made from a parser's good ones.

The one thing to know: the kinds are fault row 35's (docs/faults.md) and the bombs of archives and
aliases. A planted input need not be refused by every parser, but each parser must refuse at least
twenty-four of its own, unless it is one that passes over what it cannot read.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import cramjam

from tests.fuzz.mutate import ODD_NUMBERS, ODD_TEXTS
from tests.fuzz.parser import Parser

REFUSED_MIN: Final = 24
"""The issue's number of planted bad inputs for each parser."""
DEPTH: Final = 10_000
HUGE_BYTES: Final = 10 * 1024 * 1024
MANY: Final = 100_000
BOMB_BYTES: Final = 50 * 1024 * 1024
"""That an archive of some kilobytes unpacks to."""


def planted(parser: Parser) -> Iterator[tuple[str, bytes]]:
    """The planted inputs of a parser, each with its name."""
    yield from _anywhere(parser.samples[0])
    if parser.kind == "json":
        yield from _json(parser.samples[0])
    elif parser.kind == "yaml":
        yield from _yaml(parser.samples[0])
    elif parser.kind == "text":
        yield from _text(parser.samples[0])
    else:
        yield from _binary(parser.samples[0])


def _anywhere(good: bytes) -> Iterator[tuple[str, bytes]]:
    """What is bad in every format."""
    half = len(good) // 2
    yield "empty", b""
    yield "cut in half", good[:half]
    yield "without its first byte", good[1:]
    yield "without its last byte", good[:-1]
    yield "twice", good + good
    yield "NUL alone", b"\x00"
    yield "NUL within", good[:half] + b"\x00" + good[half:]
    yield "NULs", b"\x00" * 4_096
    yield "broken UTF-8", b"\xff\xfe\xfd" + good
    yield "broken UTF-8 within", good[:half] + b"\xed\xa0\x80\xff" + good[half:]
    yield "an overlong slash", good[:half] + b"\xc0\xaf" + good[half:]
    yield "UTF-16", good.decode("utf-8", "replace").encode("utf-16")
    yield "a byte order mark", b"\xef\xbb\xbf" + good
    yield "RTL override", good[:half] + "\u202e".encode() + good[half:]
    yield "gzip", gzip.compress(good)
    yield "ten megabytes of a", b"a" * HUGE_BYTES
    yield "ten megabytes of 9", b"9" * HUGE_BYTES
    yield "ten megabytes of new lines", b"\n" * HUGE_BYTES
    yield "ten megabytes of blanks", b" " * HUGE_BYTES
    yield from _bombs()
    for bit in range(0, min(len(good), 64) * 8, 37):
        spoilt = bytearray(good)
        spoilt[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit} turned", bytes(spoilt)


@cache
def _bombs() -> tuple[tuple[str, bytes], ...]:
    zeros = bytes(BOMB_BYTES)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", zeros)
    return (
        ("a bomb of zip", out.getvalue()),
        ("a bomb of gzip", gzip.compress(zeros, 1)),
        ("a bomb of zstd", bytes(cramjam.zstd.compress(zeros))),
    )


def _json(good: bytes) -> Iterator[tuple[str, bytes]]:
    for name, (begin, end) in {
        "lists": (b"[", b"]"),
        "objects": (b'{"a":', b"}"),
        "both": (b'[{"a":', b"}]"),
    }.items():
        yield f"{DEPTH} {name} deep", begin * DEPTH + b"1" + end * DEPTH
        yield f"{DEPTH} {name} deep, never closed", begin * DEPTH
    for text in (
        "null",
        "true",
        "1",
        "-1",
        '""',
        '"a"',
        "[]",
        "{}",
        "[1]",
        "[[]]",
        "[null]",
        "nul",
    ):
        yield f"only {text}", text.encode()
    for number in ODD_NUMBERS:
        yield f"only {number[:30]}", number.encode()
    yield "digits without end", b'{"a":' + b"9" * 1_000_000 + b"}"
    yield "an exponent without end", b'{"a":1e' + b"9" * 100_000 + b"}"
    yield "a lone surrogate", b'{"\\ud800":"\\udc00"}'
    yield "a million names", b"{" + b",".join(b'"k%d":1' % n for n in range(MANY)) + b"}"
    yield "one name a hundred thousand times", b"{" + b",".join([b'"a":1'] * MANY) + b"}"
    yield "a hundred thousand nothings", b"[" + b",".join([b"{}"] * MANY) + b"]"
    yield "a comment", b"/* no */" + good
    yield "a comma too many", good.rstrip()[:-1] + b",}"
    yield "single quotes", good.replace(b'"', b"'")
    try:
        value = json.loads(good)
    except ValueError:
        return
    if isinstance(value, dict):
        yield from _json_fields(value)


def _json_fields(value: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Each field of the sample in turn is of a wrong kind, deep, huge or doubled."""
    for name in value:
        rest = {other: inner for other, inner in value.items() if other != name}
        head = json.dumps(rest).encode()[:-1] + (b"," if rest else b"") + json.dumps(name).encode()
        for shown, odd in _odd_values():
            yield f"{name} is {shown}", head + b":" + odd + b"}"
        yield f"{name} twice", head + b":1," + json.dumps(name).encode() + b":1}"


@cache
def _odd_values() -> tuple[tuple[str, bytes], ...]:
    """What a field may not be, as JSON."""
    return (
        ("null", b"null"),
        ("a list", b"[1]"),
        ("an object", b'{"a":1}'),
        ("900 deep", b"[" * 900 + b"]" * 900),
        ("very deep", b"[" * DEPTH + b"]" * DEPTH),
        ("two megabytes", b'"' + b"a" * 2_000_000 + b'"'),
        ("2^63", b"9223372036854775808"),
        ("1e300", b"1e300"),
        ("NaN", b"NaN"),
        ("a hundred thousand names", json.dumps({f"K{n}": "v" for n in range(MANY)}).encode()),
        ("a NUL", b'"a\\u0000b"'),
        ("half a surrogate", b'"\\ud800"'),
        ("written from right to left", '"\u202ea"'.encode()),
    )


def _yaml(good: bytes) -> Iterator[tuple[str, bytes]]:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    bomb = "\n".join(lines).encode()
    yield "a billion laughs", bomb
    yield "a billion laughs behind the sample", good + b"\n" + bomb
    yield "an alias of itself", b"a: &a [*a]"
    yield "an alias of nothing", b"a: *b"
    yield "a merge key", b"a: &a {b: 1}\nc:\n  <<: *a\n"
    yield "a Python object", b"!!python/object/apply:os.system ['true']"
    yield "a tag", b"a: !unknown 1"
    yield f"{DEPTH} lists deep", b"[" * DEPTH
    yield f"{DEPTH} maps deep", b"{a: " * DEPTH
    yield "deep by indentation", b"\n".join(b" " * n + b"a:" for n in range(900))
    yield "deep by dashes", b"- " * DEPTH
    yield "two documents", good + b"\n---\n" + good
    yield "names twice", good + b"\n" + good
    yield "tabs", b"a:\n\tb: 1"
    yield "a text without an end", b'a: "' + b"b" * 10_000
    yield "a complex key", b"? [a, b]\n: 1"
    yield "a number of 5,000 digits", b"a: " + b"9" * 5_000
    yield "sixty", b"a: 190:20:30"
    yield "a date", b"a: 2026-02-30"
    yield "a directive", b"%YAML 9.9\n---\na: 1"
    yield "only a comment", b"# nothing"
    for text in ("null", "[]", "{}", "1", "a", "- a", "a: b", ".nan", ".inf", "~", "|", ">"):
        yield f"only {text}", text.encode()


def _text(good: bytes) -> Iterator[tuple[str, bytes]]:
    for odd in (*ODD_TEXTS, *ODD_NUMBERS):
        data = odd.encode("utf-8", "surrogatepass")
        yield f"only {odd[:30]!r}", data
        yield f"{odd[:30]!r} behind", good + data
        yield f"{odd[:30]!r} in front", data + good
    yield "many commas", good + b"," * MANY
    yield "many brackets", b"(" * MANY
    yield "many words", b"a " * MANY
    yield "many slashes", b"/" * MANY


def _binary(good: bytes) -> Iterator[tuple[str, bytes]]:
    for size in (1, 4, 8, 64, 4_096):
        yield f"{size} of 0xff", b"\xff" * size
        yield f"{size} of 0x7f", b"\x7f" * size
        yield f"{size} of 0xff behind", good + b"\xff" * size
        yield f"{size} of 0xff in front", b"\xff" * size + good
    for at in range(0, min(len(good), 48), 4):
        yield f"0xffffffff at {at}", good[:at] + b"\xff\xff\xff\xff" + good[at + 4 :]
        yield f"0x7fffffff at {at}", good[:at] + b"\xff\xff\xff\x7f" + good[at + 4 :]
        yield f"0 at {at}", good[:at] + b"\0\0\0\0" + good[at + 4 :]
    yield f"{DEPTH} lists deep in MessagePack", b"\x91" * DEPTH
    yield f"{DEPTH} maps deep in MessagePack", b"\x81\xa1a" * DEPTH
    yield "a list of four thousand million", b"\xdd\xff\xff\xff\xff"
    for part in range(1, 10):
        yield f"{part} tenths of it", good[: len(good) * part // 10]

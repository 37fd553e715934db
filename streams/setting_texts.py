"""Texts of settings, read: each answers the value, or raises `ValueError` with what is wanted.

The one thing to know: nothing here knows a variable's name; `streams.settings` has the table.
"""

import ipaddress
import os
import pwd
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from connectors.mesos.containers import CONTAINERIZERS
from connectors.registry.checks import CHECKS
from projections.masking import DEFAULT_PATTERNS, PATTERN_CHARACTERS_MAX, PATTERNS_MAX
from projections.rated import Rated

SECRET_CHARACTERS_MIN: Final = 16


def addresses(text: str) -> str:
    """Addresses of brokers, host:port with commas between."""
    for address in text.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{address.strip()!r} is not host:port; several are joined by commas")
    return ",".join(address.strip() for address in text.split(","))


def topic_prefix(text: str) -> str:
    """What topics begin with."""
    # Kafka's own rule for topic names, and its length with room for ours.
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,200}", text):
        raise ValueError("only letters, digits, '.', '_' and '-' are allowed, at most 200")
    return text


def containerizer(text: str) -> str:
    """What runs images."""
    if text not in CONTAINERIZERS:
        raise ValueError(f"it is one of {', '.join(CONTAINERIZERS)}")
    return text


def image_check(text: str) -> str:
    """How tags are checked."""
    if text not in CHECKS:
        raise ValueError(f"it is one of {', '.join(CHECKS)}")
    return text


def cell_name(text: str) -> str:
    """The name of a cell."""
    # It stands in every address of the cell's log.
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise ValueError("only a-z, 0-9 and '-' are allowed, at most 63, the first no '-'")
    return text


def cell_names(text: str) -> tuple[str, ...]:
    """Names of cells, each another."""
    names = tuple(cell_name(each.strip()) for each in text.split(","))
    if len(set(names)) != len(names):
        raise ValueError("every cell has a name of its own")
    return names


def candidate(text: str) -> str:
    """The name of a cell process."""
    # It is part of a Kafka client's id and of the group's static membership.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise ValueError("only letters, digits, '.', '_' and '-' are allowed, at most 100")
    return text


def url(text: str) -> str:
    """An address of HTTP."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address such as http://127.0.0.1:7100 is wanted")
    if parts.port == 0:
        raise ValueError("port 0 is no port")
    return text.rstrip("/")


def keys_url(text: str) -> str:
    """An address of public keys, which nobody on the way may change."""
    parts = urlsplit(text)
    if parts.scheme == "https" and parts.hostname:
        return text
    if parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}:
        return text
    raise ValueError("an address such as https://issuer.example.org/keys is wanted")


def bind(text: str) -> str:
    """An address to listen on."""
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError("an IP address such as 127.0.0.1 or 0.0.0.0 is wanted") from error
    return text


def store_url(text: str) -> str:
    """Where a store is."""
    scheme, found, rest = text.partition("://")
    if not found:
        return Path(text).absolute().as_uri()
    if scheme not in {"file", "s3", "rocksdict"} or not rest.strip("/"):
        raise ValueError(
            "a directory, file:///DIR, s3://BUCKET/PREFIX or rocksdict:///DIR is wanted"
        )
    return text.rstrip("/")


def key_provider(text: str) -> str:
    """Who wraps keys; the same as `connectors.secrets.opening` reads, without its ciphers."""
    kind, _, word = text.partition(":")
    if (kind == "file" and word.startswith("/")) or (kind == "kms" and word):
        return text
    raise ValueError("file:/PATH of a key file, or kms: and a key's id, ARN or alias, is wanted")


def secret(text: str) -> str:
    """What something is signed with."""
    if len(text) < SECRET_CHARACTERS_MIN or not text.isprintable():
        raise ValueError(f"printable characters are wanted, at least {SECRET_CHARACTERS_MIN}")
    return text


def actor(text: str) -> str:
    """Who asks."""
    if len(text.encode()) > 255 or not text.isprintable() or not text.strip():
        raise ValueError("printable characters are wanted, at most 255 bytes")
    return text


def account() -> str:
    """The name of this process' user."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"  # As in a container that was given any number.


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers within two bounds."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most} is wanted")
        return int(text)

    return read


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """A reader of one of a few words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"it is one of {', '.join(words)}")
        return text

    return read


def balancers(text: str) -> str:
    """The kind of load balancers."""
    if text != "elb":
        raise ValueError("elb is wanted, the only kind there is")
    return text


def share(text: str) -> float:
    """A part of a whole."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise ValueError("a number from 0 to 1 is wanted")
    return found


def rated(text: str) -> Rated:
    """The size of a cell, as ``hosts=10000,tasks=150000``; what is not named has no limit."""
    found: dict[str, int] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = each.partition("=")
        if name not in Rated._fields or name in found or not number.isdecimal():
            raise ValueError(f"{' and '.join(Rated._fields)}, each NAME=NUMBER, are wanted")
        found[name] = int(number)
    return Rated(**found)


def truth(text: str) -> bool:
    """True or false."""
    if text not in {"true", "false"}:
        raise ValueError("true or false is wanted")
    return text == "true"


def masked_keys(text: str) -> tuple[str, ...]:
    """Patterns of names whose texts are masked, added to the default ones behind a ``+``."""
    names = tuple(each.strip() for each in text.removeprefix("+").split(",") if each.strip())
    if not names or len(names) > PATTERNS_MAX:
        raise ValueError(f"1 to {PATTERNS_MAX} names are wanted, with commas between")
    if any(len(each) > PATTERN_CHARACTERS_MAX or not each.isprintable() for each in names):
        raise ValueError(f"a name has at most {PATTERN_CHARACTERS_MAX} printable characters")
    return (*DEFAULT_PATTERNS, *names) if text.startswith("+") else names

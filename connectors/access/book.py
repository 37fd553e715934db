"""The file of principals: who there is, by which token, certificate, group or subject, with what.

The one thing to know: no token is in it, only what a token hashes to, so who reads the file can ask
for nothing. A token is 256 random bits, which is why a plain SHA-256 is enough.
"""

import hmac
import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from connectors.access.principals import Grant, Principal, Role
from scheduler.model.reading.bad_bytes import BAD_BYTES
from scheduler.model.reading.checks import name_check

TOKEN_PREFIX: Final = "flumina_"  # noqa: S105 - what every token begins with
PRINCIPALS_MAX: Final = 10_000
NAME_BYTES_MAX: Final = 200
"""Of an actor's 255, so that there is room for whom he acts for."""
SCOPES_MAX: Final = 1_000
_NO_HASH: Final = "0" * 64
_name_fault = name_check(NAME_BYTES_MAX)


class Entry(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One row: a way to prove to be somebody, and what that one is granted."""

    name: str
    role: Role
    owners: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    token: str = ""
    """``ID:HASH``, as `new_token` made it."""
    certificate: str = ""
    """A URI or DNS name among a client certificate's alternative names."""
    group: str = ""
    """A group that a signed token says its subject is in."""
    subject: str = ""
    """The subject of a signed token."""
    expires_at: str = ""
    """An instant, as 2027-01-31T00:00:00Z; without one it counts until it is taken out."""
    is_delegate: bool = False

    @property
    def grant(self) -> Grant:
        """What the row grants."""
        return Grant(self.role, self.owners, self.applications, self.cells)


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    principals: tuple[Entry, ...]


class NewToken(NamedTuple):
    """A token, which is told once, and what the file keeps of it."""

    text: str
    kept: str


def new_token() -> NewToken:
    """A token that nobody can guess."""
    id_, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    text = f"{TOKEN_PREFIX}{id_}_{secret}"
    return NewToken(text, f"{id_}:{_hash_of(text)}")


def _hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


class NoBook(Exception):
    """A file of principals that cannot be used; the text says what is wrong with it."""


class Book:
    """The principals of one file."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.entries = tuple(entries)
        self._tokens: dict[str, Entry] = {}
        self._others: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for each in entries:
            if each.token:
                self._tokens[each.token.partition(":")[0]] = each
            for kind, value in _ways(each)[1:]:
                if value:
                    self._others[kind, value].append(each)
            if not each.group:
                self._others["name", each.name].append(each)

    def of_token(self, text: str, now_ms: int) -> Principal | None:
        """Whose token it is; compared in a time that says nothing about what is kept."""
        id_ = text.removeprefix(TOKEN_PREFIX).partition("_")[0]
        found = self._tokens.get(id_)
        kept = found.token.partition(":")[2] if found else _NO_HASH
        is_same = hmac.compare_digest(_hash_of(text), kept)
        if found is None or not is_same:
            return None
        return self._principal(found.name, [found], now_ms)

    def of_certificate(self, names: Sequence[str], now_ms: int) -> Principal | None:
        """Who has a certificate with these names; the first one that is known."""
        for name in names:
            if found := self._others.get(("certificate", name)):
                return self._principal(found[0].name, found, now_ms)
        return None

    def of_subject(self, subject: str, groups: Sequence[str], now_ms: int) -> Principal:
        """The subject of a signed token with all that it and its groups are granted."""
        found = list(self._others.get(("subject", subject), ()))
        name = found[0].name if found else subject
        for group in groups:
            found += self._others.get(("group", group), ())
        return self._principal(name, found, now_ms) or Principal(name)

    def of_name(self, name: str, now_ms: int) -> Principal | None:
        """Who is called so, for a delegate that asks for him."""
        return self._principal(name, self._others.get(("name", name), ()), now_ms)

    def _principal(self, name: str, entries: Sequence[Entry], now_ms: int) -> Principal | None:
        ends = [expires_at_ms(each) for each in entries]
        rows = list(zip(entries, ends, strict=True))
        alive = [each for each, end in rows if end is None or end > now_ms]
        if not alive:
            return None
        is_delegate = any(each.is_delegate for each in alive)
        grants = tuple(dict.fromkeys(each.grant for each in alive))
        until = min((end for _, end in rows if end is not None and end > now_ms), default=None)
        return Principal(name, grants, is_delegate, until)


def expires_at_ms(entry: Entry) -> int | None:
    """When the row ends, in milliseconds since 1970; None: never."""
    if not entry.expires_at:
        return None
    at = datetime.fromisoformat(entry.expires_at)
    return int(at.timestamp() * 1_000)


def instant(at_ms: int) -> str:
    """An instant as the file has it."""
    at = datetime.fromtimestamp(at_ms // 1_000, UTC)
    return at.isoformat().replace("+00:00", "Z")


def book_of(data: bytes) -> Book:
    """The book that this JSON is; raises `NoBook` with all that is wrong with it."""
    try:
        found = msgspec.json.decode(data, type=Document)
    except BAD_BYTES as error:
        raise NoBook(f"it cannot be read: {error}") from error
    faults = [f"principals: at most {PRINCIPALS_MAX} are taken"] if _is_too_many(found) else []
    ids: set[str] = set()
    for place, each in enumerate(found.principals):
        faults += [f"principals[{place}].{fault}" for fault in _faults_of(each, ids)]
    if faults:
        raise NoBook("; ".join(faults[:20]))
    return Book(found.principals)


def _is_too_many(found: Document) -> bool:
    return len(found.principals) > PRINCIPALS_MAX


def _faults_of(entry: Entry, ids: set[str]) -> list[str]:
    faults = []
    complaint = _name_fault(entry.name)
    if complaint is not None:
        faults.append(f"name: {complaint[0]}")
    if sum(bool(value) for _, value in _ways(entry)) != 1:
        faults.append("name: give one of token, certificate, group and subject")
    if entry.token:
        id_, _, kept = entry.token.partition(":")
        is_hash = len(kept) == len(_NO_HASH) and not set(kept) - set("0123456789abcdef")
        if not id_ or not is_hash:
            faults.append("token: is no ID:HASH; `flumina token new` makes one")
        if id_ in ids:
            faults.append("token: its id stands twice")
        ids.add(id_)
    if entry.group and entry.is_delegate:
        faults.append("isDelegate: a group asks for nobody else")
    if max(map(len, (entry.owners, entry.applications, entry.cells))) > SCOPES_MAX:
        faults.append(f"owners: at most {SCOPES_MAX} of each are taken")
    try:
        if entry.expires_at and datetime.fromisoformat(entry.expires_at).tzinfo is None:
            faults.append("expiresAt: has no time zone; end it with Z")
    except ValueError:
        faults.append("expiresAt: is no instant such as 2027-01-31T00:00:00Z")
    return faults


def _ways(entry: Entry) -> tuple[tuple[str, str], ...]:
    return (
        ("token", entry.token),
        ("certificate", entry.certificate),
        ("group", entry.group),
        ("subject", entry.subject),
    )


def written(entries: Sequence[Entry]) -> bytes:
    """The file's bytes; what is not said is left out."""
    rows = [
        {name: value for name, value in msgspec.to_builtins(each).items() if value}
        for each in entries
    ]
    return msgspec.json.format(msgspec.json.encode({"principals": rows}), indent=2) + b"\n"

"""Proofs of who one is: tokens, signed tokens, delegates, logins; each wrong one is refused."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from structlog.testing import capture_logs

from connectors.access.authentication import Authentication, NotAdmitted, Proof
from connectors.access.book import Book, Entry, NoBook, book_of, new_token, written
from connectors.access.keys import Keys, NoKeys, life_s_of
from connectors.access.principals import Grant
from connectors.access.refusals import Refusals
from connectors.access.sessions import SESSIONS_MAX, Sessions, id_of
from connectors.access.signed import Issuer, NotSigned, Signed
from connectors.access.watched import Watched
from tests.support.access import People

NOW_MS = 1_700_000_000_000
ISSUER = "https://issuer.example.org/"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


class KeyServer:
    """A real server of public keys on loopback, which can be taken away."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [_public("one", KEY), _public("two", RSA_KEY)]
        self.headers: dict[str, str] = {}
        self.status = 200
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = json.dumps({"keys": outer.keys}).encode()
                self.send_response(outer.status)
                for name, value in {**outer.headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _public(id_: str, key: Any) -> dict[str, Any]:
    kind: Any = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else None
    kind = kind or jwt.algorithms.RSAAlgorithm
    return {**json.loads(kind.to_jwk(key.public_key())), "kid": id_, "use": "sig"}


@pytest.fixture
def server() -> Iterator[KeyServer]:
    made = KeyServer()
    yield made
    made.close()


def token(key: Any = KEY, id_: str | None = "one", algorithm: str = "ES256", **claims: Any) -> str:
    said = {"iss": ISSUER, "aud": "flumina", "sub": "ada", "exp": int(time.time()) + 600, **claims}
    kept = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(kept, key, algorithm, headers={"kid": id_} if id_ else None)


def signed(server: KeyServer, **more: Any) -> Signed:
    return Signed(Issuer(ISSUER, "flumina"), Keys(server.url, **more))


def test_a_token_of_the_issuer_says_who_and_in_which_groups(server: KeyServer) -> None:
    found = asyncio.run(signed(server).claims(token(groups=["payments", "oncall"])))
    assert (found.subject, found.groups) == ("ada", ("payments", "oncall"))
    by_rsa = asyncio.run(signed(server).claims(token(RSA_KEY, "two", "RS256")))
    assert by_rsa.subject == "ada"


def test_a_clock_may_differ_by_a_minute_and_no_more(server: KeyServer) -> None:
    now = int(time.time())
    asyncio.run(signed(server).claims(token(exp=now - 50)))
    asyncio.run(signed(server).claims(token(nbf=now + 50)))
    for made, why in ((token(exp=now - 70), "expired"), (token(nbf=now + 70), "not count yet")):
        with pytest.raises(NotSigned, match=why):
            asyncio.run(signed(server).claims(made))


def _none_signed() -> str:
    said = {"iss": ISSUER, "aud": "flumina", "sub": "ada", "exp": int(time.time()) + 600}
    return jwt.encode(said, "", "none", headers={"kid": "one"})


def _signed_by_the_public_key() -> str:
    """The classic confusion: what everybody knows, taken for a secret."""
    pem = RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def text(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    said = {"iss": ISSUER, "aud": "flumina", "sub": "ada", "exp": int(time.time()) + 600}
    head = text({"alg": "HS256", "typ": "JWT", "kid": "two"}) + b"." + text(said)
    mark = base64.urlsafe_b64encode(hmac.digest(pem, head, "sha256")).rstrip(b"=")
    return (head + b"." + mark).decode()


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: token(OTHER_KEY), "signature is wrong"),
        (lambda: token(iss="https://evil.example.org/"), "another issuer"),
        (lambda: token(aud="others"), "another audience"),
        (lambda: token(aud=None), "lacks one of"),
        (lambda: token(exp=None), "lacks one of"),
        (lambda: token(sub=None), "lacks one of"),
        (lambda: token(iss=None), "lacks one of"),
        (lambda: token(id_=None), "does not name its key"),
        (lambda: token(id_="three"), "does not have"),
        (lambda: token(id_="two"), "not its key's"),
        (_none_signed, "algorithm is none of"),
        (_signed_by_the_public_key, "algorithm is none of"),
        (lambda: token()[:-8], "no signed token|signature"),
        (lambda: "no token", "no signed token"),
        (lambda: "a" * 20_000, "longer than"),
        (lambda: token(sub="a\nb"), "no name"),
    ],
)
def test_a_token_that_is_wrong_in_anything_is_refused(
    server: KeyServer, made: Any, why: str
) -> None:
    with pytest.raises(NotSigned, match=why):
        asyncio.run(signed(server).claims(made()))


def test_a_token_never_says_where_its_keys_are(server: KeyServer) -> None:
    evil = KeyServer()
    evil.keys = [_public("evil", OTHER_KEY)]
    head = {"kid": "evil", "jku": evil.url, "jwk": _public("evil", OTHER_KEY)}
    said = {"iss": ISSUER, "aud": "flumina", "sub": "ada", "exp": int(time.time()) + 600}
    with pytest.raises(NotSigned, match="does not have"):
        asyncio.run(signed(server).claims(jwt.encode(said, OTHER_KEY, "ES256", headers=head)))
    assert evil.asked == 0
    evil.close()


def test_keys_count_until_they_run_out_and_then_nobody_is_let_in(server: KeyServer) -> None:
    """Row 40: the issuer's keys are away; what was fetched counts to its end, and no longer."""
    clock = [1_000.0]
    server.headers = {"Cache-Control": "public, max-age=120"}
    reader = signed(server, now_s=lambda: clock[0])

    async def told() -> None:
        await reader.claims(token())
        server.status = 500
        clock[0] += 119
        await reader.claims(token())
        clock[0] += 2
        with pytest.raises(NoKeys, match="status 500"):
            await reader.claims(token())
        asked = server.asked
        with pytest.raises(NoKeys):
            await reader.claims(token())
        assert server.asked == asked  # Not asked at each request while it is away.
        server.status = 200
        clock[0] += 6
        await reader.claims(token())

    asyncio.run(told())
    assert reader.keys.fetched == 2


def test_a_new_key_is_looked_for_and_an_invented_one_not_for_ever(server: KeyServer) -> None:
    clock = [1_000.0]
    reader = signed(server, now_s=lambda: clock[0])

    async def told() -> None:
        await reader.claims(token())
        server.keys = [_public("new", OTHER_KEY)]
        clock[0] += 6
        await reader.claims(token(OTHER_KEY, "new"))
        # The old one was withdrawn: what it signed counts no more.
        with pytest.raises(NotSigned):
            await reader.claims(token())
        for number in range(50):
            with pytest.raises(NotSigned):
                await reader.claims(token(id_=f"invented-{number}"))

    asyncio.run(told())
    assert server.asked == 2


@pytest.mark.parametrize(
    ("control", "life_s"),
    [
        ("", 300),
        ("max-age=60", 60),
        ("public, max-age=3600, must-revalidate", 3_600),
        ("max-age=999999999", 86_400),
        ("max-age=0", 10),
        ("no-store", 10),
        ("s-max-age=7", 300),
    ],
)
def test_how_long_keys_count_is_what_the_answer_says_within_bounds(
    control: str, life_s: float
) -> None:
    assert life_s_of(control) == life_s


@pytest.mark.parametrize(
    "keys",
    [[], [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}], [{"kid": 1}], ["x"], [{"kty": "RSA"}]],
)
def test_a_set_without_a_key_that_verifies_is_none(server: KeyServer, keys: list[Any]) -> None:
    server.keys = keys
    with pytest.raises(NoKeys, match="no key that verifies"):
        asyncio.run(signed(server).claims(token()))


def _authentication(tmp_path: Path, *entries: Entry, **more: Any) -> Authentication:
    path = tmp_path / "people.json"
    path.write_bytes(written(entries))
    book = Watched((path,), lambda: book_of(path.read_bytes()))
    return Authentication(lambda: NOW_MS, book=book, **more)


def _principal(authentication: Authentication, **proof: Any) -> Any:
    return asyncio.run(authentication.principal(Proof(**proof)))


def test_what_groups_and_subjects_are_granted_adds_up(server: KeyServer, tmp_path: Path) -> None:
    authentication = _authentication(
        tmp_path,
        Entry("payments", "producer", applications=("payments",), group="payments"),
        Entry("oncall", "operator", group="oncall"),
        Entry("ada", "viewer", subject="ada"),
        signed=signed(server),
    )
    found = _principal(authentication, token=token(groups=["payments", "unknown"]))
    assert found.name == "ada"
    assert set(found.grants) == {Grant("viewer"), Grant("producer", (), ("payments",))}
    stranger = _principal(authentication, token=token(sub="eve"))
    assert (stranger.name, stranger.grants) == ("eve", ())


def test_while_keys_are_away_the_answer_is_later_and_not_no(
    server: KeyServer, tmp_path: Path
) -> None:
    server.status = 503
    authentication = _authentication(tmp_path, signed=signed(server))
    with pytest.raises(NotAdmitted) as found:
        _principal(authentication, token=token())
    assert found.value.is_later
    assert token() not in str(found.value)


def test_a_token_counts_until_its_row_ends_or_goes(tmp_path: Path) -> None:
    old, new = new_token(), new_token()
    authentication = _authentication(
        tmp_path,
        Entry("ci", "producer", token=old.kept, expires_at="2023-11-14T22:13:19Z"),
        Entry("ci", "producer", token=new.kept, expires_at="2023-11-14T22:13:21Z"),
    )
    assert _principal(authentication, token=new.text).name == "ci"
    for wrong in (old.text, new.text + "x", new.text[:-1], "flumina_", "flumina_x_y", "x"):
        with pytest.raises(NotAdmitted) as found:
            _principal(authentication, token=wrong)
        assert len(wrong) < 20 or wrong not in str(found.value)
    with pytest.raises(NotAdmitted, match="nothing says who asks"):
        _principal(authentication)


def test_the_file_has_no_token_and_two_tokens_are_never_alike() -> None:
    made = [new_token() for _ in range(100)]
    assert len({each.text for each in made}) == len({each.kept for each in made}) == 100
    for each in made:
        secret = each.text.split("_", 2)[2]
        assert len(each.text) > 50
        assert secret not in each.kept


def test_a_change_of_the_file_is_seen_and_a_broken_one_is_not_taken(tmp_path: Path) -> None:
    people = People(tmp_path / "people.json")
    first = people.token("ada", "viewer")
    door = people.door()

    async def is_in(text: str) -> bool:
        try:
            await door.of_token(text)
        except NotAdmitted:
            return False
        return True

    assert asyncio.run(is_in(first))
    second = people.token("eve", "viewer")
    assert asyncio.run(is_in(second))
    good = people.path.read_bytes()
    with capture_logs() as lines:
        people.path.write_bytes(good[: len(good) // 2])
        assert asyncio.run(is_in(first))
        assert any("not taken" in each["event"] for each in lines)
    people.remove("ada")
    assert not asyncio.run(is_in(first))
    assert asyncio.run(is_in(second))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"name": "a", "role": "viewer"}, "give one of token"),
        ({"name": "a", "role": "boss", "group": "g"}, "cannot be read"),
        ({"name": "", "role": "viewer", "group": "g"}, "name"),
        ({"name": "a", "role": "viewer", "group": "g", "subject": "s"}, "give one of token"),
        ({"name": "a", "role": "viewer", "token": "abc"}, "no ID:HASH"),
        ({"name": "a", "role": "viewer", "group": "g", "expiresAt": "soon"}, "no instant"),
        ({"name": "a", "role": "viewer", "group": "g", "expiresAt": "2027-01-01"}, "no time zone"),
        ({"name": "a", "role": "viewer", "group": "g", "isDelegate": True}, "nobody else"),
        ({"name": "a", "role": "viewer", "group": "g", "owner": ["x"]}, "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_says_where(entry: dict[str, Any], why: str) -> None:
    with pytest.raises(NoBook, match=why):
        book_of(json.dumps({"principals": [entry]}).encode())


def test_only_a_delegate_asks_for_others_and_they_ask_for_nobody(tmp_path: Path) -> None:
    front, ada = new_token(), new_token()
    authentication = _authentication(
        tmp_path,
        Entry("front", "viewer", token=front.kept, is_delegate=True),
        Entry("ada", "producer", token=ada.kept),
        Entry("cert", "admin", certificate="spiffe://corp/cert", is_delegate=True),
        Entry("everybody", "admin", group="everybody"),
    )
    found = _principal(authentication, token=front.text, acting_for="ada")
    assert (found.name, found.by, found.grants) == ("ada", "front", (Grant("producer"),))
    other = _principal(authentication, token=front.text, acting_for="cert")
    assert other.is_delegate is False
    # A group is nobody: its name is not one's own.
    for who, acting_for in ((ada, "front"), (front, "nobody"), (front, "everybody")):
        with pytest.raises(NotAdmitted):
            _principal(authentication, token=who.text, acting_for=acting_for)


def test_refusals_are_counted_and_told_once_a_second() -> None:
    clock = [0.0]
    refusals = Refusals(lambda: clock[0])
    said = {"who": "ada", "address": "a", "method": "GET", "path": "/", "why": "no"}
    with capture_logs() as lines:
        for number in range(1_000):
            clock[0] = number / 500
            refusals.note("role", **said)
    assert refusals.counted["role"] == 1_000
    assert len(lines) == 2
    assert lines[1]["unsaid"] == 499


def test_a_login_lasts_so_long_and_ends_when_told_to() -> None:
    clock = [0.0]
    sessions = Sessions(60, lambda: clock[0], is_secure=True)
    id_ = sessions.begin("token")
    assert id_of(f"a=b; {sessions.cookie(id_).partition(';')[0]}") == id_
    for word in ("HttpOnly", "SameSite=Strict", "Secure", "Max-Age=60", "Path=/"):
        assert word in sessions.cookie(id_)
    assert "token" not in sessions.cookie(id_)
    clock[0] = 59
    assert sessions.token(id_) == "token"
    clock[0] = 60
    assert sessions.token(id_) == ""
    other = sessions.begin("other")
    sessions.end(other)
    assert sessions.token(other) == ""
    for _ in range(SESSIONS_MAX + 5):
        sessions.begin("t")
    assert len(sessions) == SESSIONS_MAX


def test_an_empty_book_lets_nobody_in() -> None:
    assert Book().of_token("flumina_a_b", NOW_MS) is None
    assert Book().of_certificate(["x"], NOW_MS) is None
    assert Book().of_name("x", NOW_MS) is None

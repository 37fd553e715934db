"""Identities of tasks: what a token proves, to whom, how long, and when it proves nothing."""

import base64
import json
import stat
from pathlib import Path

import jwt
import pytest

from connectors.metadata.facts import TaskFacts
from connectors.metadata.identity import (
    LIFETIME_S,
    SKEW_S,
    KeyRing,
    NotIdentified,
    verified,
)

NOW_S = 1_700_000_000
FACTS = TaskFacts(
    task_id="job-worker-0-1", job_id="job", owner="team@example.com", audiences=("vault",)
)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys")


def test_a_token_proves_task_job_and_owner(ring: KeyRing) -> None:
    found = verified(ring.issued(FACTS, "vault", NOW_S), ring.public(), "vault", NOW_S)
    assert (found.task_id, found.job_id, found.owner) == ("job-worker-0-1", "job", FACTS.owner)
    assert found.expires_at_s == NOW_S + LIFETIME_S


def test_it_ends(ring: KeyRing) -> None:
    token = ring.issued(FACTS, "vault", NOW_S)
    ends_at_s = NOW_S + LIFETIME_S
    verified(token, ring.public(), "vault", ends_at_s + SKEW_S)
    with pytest.raises(NotIdentified, match="expired"):
        verified(token, ring.public(), "vault", ends_at_s + SKEW_S + 1)
    with pytest.raises(NotIdentified, match="not valid yet"):
        verified(token, ring.public(), "vault", NOW_S - SKEW_S - 1)


def test_it_is_for_one_audience(ring: KeyRing) -> None:
    token = ring.issued(FACTS, "vault", NOW_S)
    with pytest.raises(NotIdentified, match=r"[Aa]udience"):
        verified(token, ring.public(), "billing", NOW_S)


def test_a_task_that_is_not_configured_gets_none(ring: KeyRing) -> None:
    for facts in (TaskFacts(task_id="t"), FACTS):
        with pytest.raises(NotIdentified):
            ring.issued(facts, "root", NOW_S)


def test_another_key_proves_nothing(ring: KeyRing, tmp_path: Path) -> None:
    foreign = KeyRing(tmp_path / "foreign").issued(FACTS, "vault", NOW_S)
    with pytest.raises(NotIdentified, match="no key"):
        verified(foreign, ring.public(), "vault", NOW_S)


def _changed(token: str, **claims: object) -> str:
    head, body, mac = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(body + "=="))
    text = json.dumps(told | claims).encode()
    return f"{head}.{base64.urlsafe_b64encode(text).rstrip(b'=').decode()}.{mac}"


def test_a_changed_token_proves_nothing(ring: KeyRing) -> None:
    token = _changed(ring.issued(FACTS, "vault", NOW_S), task="other", sub="flumina:task:other")
    with pytest.raises(NotIdentified):
        verified(token, ring.public(), "vault", NOW_S)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_does_not_choose_its_algorithm(ring: KeyRing, algorithm: str) -> None:
    """Also where the public key is taken for the secret of another algorithm."""
    key_id = ring.public()["keys"][0]["kid"]
    claims = {
        "iss": "flumina",
        "sub": "flumina:task:t",
        "aud": "vault",
        "iat": NOW_S,
        "nbf": NOW_S,
        "exp": NOW_S + 60,
    }
    secret = "" if algorithm == "none" else ring.public()["keys"][0]["x"]
    forged = jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": key_id})
    with pytest.raises(NotIdentified):
        verified(forged, ring.public(), "vault", NOW_S)


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "é.é.é", "." * 1000])
def test_what_is_no_token_proves_nothing(ring: KeyRing, token: str) -> None:
    with pytest.raises(NotIdentified):
        verified(token, ring.public(), "vault", NOW_S)


def test_keys_are_exchanged_and_old_tokens_still_prove(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    old = ring.issued(FACTS, "vault", NOW_S)
    ring.add()
    newer = KeyRing(tmp_path / "keys")
    assert len(newer.public()["keys"]) == 2
    new = newer.issued(FACTS, "vault", NOW_S)
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    for token in (old, new):
        assert verified(token, newer.public(), "vault", NOW_S).task_id == FACTS.task_id


def test_keys_are_their_owner_s_alone_and_public_ones_hold_no_secret(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    (file,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {"d", "p", "q"}.isdisjoint(ring.public()["keys"][0])

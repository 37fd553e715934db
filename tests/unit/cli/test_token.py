"""`flumina token`: the file of principals, made and changed by commands, and never with a token."""

import json
import stat
from pathlib import Path

import pytest

from connectors.access.book import book_of
from tests.support.command_line import flumina

NOW_MS = 1_700_000_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "access" / "people.json"


def test_a_token_is_made_listed_and_taken_out(tmp_path: Path, file: Path) -> None:
    given = {"FLUMINA_ACCESS": str(file)}
    scope = ("--owner", "ada@example.org", "--app", "payments", "--cell", "main")
    made = flumina(tmp_path, "token", "new", "ci", "--role", "producer", *scope, **given)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert token not in file.read_text()
    found = book_of(file.read_bytes()).of_token(token, NOW_MS)
    assert found is not None
    grant = found.grants[0]
    assert (found.name, grant.role, grant.owners) == ("ci", "producer", ("ada@example.org",))
    assert (grant.applications, grant.cells) == (("payments",), ("main",))
    second = flumina(tmp_path, "token", "new", "ci", "--role", "viewer", "--days", "1", **given)
    book = book_of(file.read_bytes())
    assert book.of_token(second.stdout.strip(), NOW_MS) is not None
    assert book.entries[1].expires_at.endswith("Z")
    listed = flumina(tmp_path, "token", "list", "--json", **given)
    rows = json.loads(listed.stdout)
    assert [each["role"] for each in rows] == ["producer", "viewer"]
    id_ = rows[0]["token"].partition(":")[0]
    shown = flumina(tmp_path, "token", "list", **given)
    assert "payments" in shown.stdout
    gone = flumina(tmp_path, "token", "remove", "ci", "--id", id_, **given)
    assert gone.returncode == 0
    assert book_of(file.read_bytes()).of_token(token, NOW_MS) is None
    assert book_of(file.read_bytes()).of_token(second.stdout.strip(), NOW_MS) is not None


def test_a_certificate_and_a_group_are_granted(tmp_path: Path, file: Path) -> None:
    at = ("--file", str(file))
    uri = "spiffe://corp/console"
    words = ("token", "grant", "console", "--role", "viewer", "--certificate", uri, "--delegate")
    assert flumina(tmp_path, *words, *at).returncode == 0
    more = ("token", "grant", "oncall", "--role", "operator", "--group", "oncall")
    assert flumina(tmp_path, *more, *at).returncode == 0
    book = book_of(file.read_bytes())
    found = book.of_certificate([uri], NOW_MS)
    assert found is not None
    assert found.is_delegate
    assert book.of_subject("ada", ["oncall"], NOW_MS).grants[0].role == "operator"
    assert stat.S_IMODE(file.stat().st_mode) & 0o002 == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("new", "a", "--role", "boss"), "no role"),
        (("grant", "a", "--role", "viewer"), "give one of token"),
        (("grant", "a", "--role", "viewer", "--group", "g", "--subject", "s"), "give one of"),
        (("remove", "nobody"), "no such row"),
    ],
)
def test_what_makes_no_row_changes_nothing(
    tmp_path: Path, file: Path, words: tuple[str, ...], why: str
) -> None:
    found = flumina(tmp_path, "token", *words, "--file", str(file))
    assert found.returncode != 0
    assert why in " ".join((found.stderr + found.stdout).split())
    assert not file.exists()


def test_without_a_file_it_says_what_to_set(tmp_path: Path) -> None:
    found = flumina(tmp_path, "token", "list")
    assert found.returncode != 0
    assert "FLUMINA_ACCESS" in found.stderr + found.stdout

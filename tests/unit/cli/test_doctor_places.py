"""The doctor's judgement of files, of the store, of Kafka's copies and of builds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from projections.snapshot.format import capture
from streams.cli.command_doctor import _is_up
from streams.cli.doctor_brokers import FoldState, Mark, builds, copies, dangers, waiting
from streams.cli.doctor_checks import Finding, ended_up
from streams.cli.doctor_files import data_directory, permissions, valid
from streams.cli.doctor_store import store_findings
from streams.settings import settings_of
from streams.snapshots.shelf import Shelf
from streams.store import store_of
from streams.supervise.up_file import UpView, write_up_file
from tests.support.cell import running_cell


def test_what_is_secret_may_not_be_read_by_everybody(tmp_path: Path) -> None:
    secret = tmp_path / "key.pem"
    secret.write_text("secret")
    found = {}
    for mode in (0o600, 0o640, 0o644):
        secret.chmod(mode)
        (found[mode],) = permissions({"FLUMINA_TLS_KEY": secret})
    assert [each.status for each in found.values()] == ["ok", "ok", "failed"]
    assert found[0o644].remedy == f"chmod o-rwx {secret}"
    (gone,) = permissions({"FLUMINA_TLS_KEY": tmp_path / "gone"})
    assert gone.status == "failed"


def test_a_data_directory_is_not_for_everybody(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert [each.status for each in data_directory(tmp_path)] == ["ok"]
    tmp_path.chmod(0o777)
    assert [each.status for each in data_directory(tmp_path)] == ["failed"]
    tmp_path.chmod(0o700)
    assert list(data_directory(tmp_path / "not there yet")) == []


def _certificate(path: Path, begins_days: int, ends_days: int) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins_days))
        .not_valid_after(now + timedelta(days=ends_days))
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("begins", "ends", "status"),
    [(-1, 90, "ok"), (-80, 10, "warning"), (-80, -1, "failed"), (1, 90, "failed")],
)
def test_a_certificate_is_looked_at_before_it_ends(
    begins: int, ends: int, status: str, tmp_path: Path
) -> None:
    path = _certificate(tmp_path / "cert.pem", begins, ends)
    (found,) = valid({"FLUMINA_TLS_CERTIFICATE": path})
    assert found.status == status
    assert str(path) in found.text
    assert bool(found.remedy) == (status != "ok")


def test_what_is_no_certificate_is_said(tmp_path: Path) -> None:
    path = tmp_path / "cert.pem"
    path.write_text("no certificate")
    (found,) = valid({"FLUMINA_TLS_CERTIFICATE": path})
    assert found.status == "failed"


def test_the_store_is_listed_and_its_newest_snapshot_has_an_age(tmp_path: Path) -> None:
    machine = running_cell(1).machine
    cell = str(machine.state.cell)
    settings = settings_of({"FLUMINA_STORE": str(tmp_path / "store"), "FLUMINA_CELL": cell})
    assert [each.status for each in store_findings(settings, is_running=True)] == ["ok", "skipped"]
    Shelf(store_of(settings), cell).put(capture(machine, "", build="test"))
    answers, snapshots = store_findings(settings, is_running=True)
    assert (answers.status, snapshots.status) == ("ok", "ok")
    assert f"of {machine.state.next_offset} records" in snapshots.text
    # A directory that is a file: nothing can be listed there.
    (tmp_path / "file").write_text("")
    broken = settings_of({"FLUMINA_STORE": str(tmp_path / "file")})
    (found,) = store_findings(broken, is_running=True)
    assert found.status == "failed"
    assert "docs/recovery.md#the-store-is-away" in found.remedy


def _topic(leader: int, isr: int) -> dict[str, Any]:
    partition = {"partition": 0, "leader": leader, "isr": [1] * isr, "replicas": [1, 2, 3]}
    return {"topic": "cell", "partitions": [partition]}


@pytest.mark.parametrize(
    ("leader", "isr", "status"), [(1, 3, "ok"), (1, 2, "warning"), (-1, 0, "failed")]
)
def test_copies_that_are_out_of_step_are_named(leader: int, isr: int, status: str) -> None:
    found = copies([_topic(1, 3), _topic(leader, isr)])
    assert found.status == status
    assert ("cell[0]" in found.text) == (status != "ok")


def test_settings_of_brokers_by_which_records_are_lost_are_named() -> None:
    good = {"unclean.leader.election.enable": "false", "auto.create.topics.enable": "false"}
    assert [each.status for each in dangers({"1": good})] == ["ok"]
    (found,) = dangers({"1": good, "2": good | {"unclean.leader.election.enable": "true"}})
    assert found.status == "warning"
    assert "on broker 2" in found.text


@pytest.mark.parametrize(("end", "status"), [(101, "ok"), (2_000, "warning"), (20_000, "failed")])
def test_what_waits_to_be_copied_is_counted(end: int, status: str) -> None:
    state = FoldState((Mark("jobs", 100), Mark("mesos", 7)))
    found = waiting(state, {"jobs": ("g", end), "mesos": ("g", 8)})
    assert found.status == status
    assert waiting(FoldState(), {"jobs": ("g", end)}).status == "skipped"


@pytest.mark.parametrize(
    ("leaders", "fold", "status"),
    [("0.1.0", 1, "ok"), ("", 1, "ok"), ("0.2.0", 1, "warning"), ("0.2.0", 9, "failed")],
)
def test_builds_that_differ_are_said(leaders: str, fold: int, status: str) -> None:
    assert builds("0.1.0", leaders, fold, 1).status == status


def test_an_up_that_ended_without_stopping_is_said(tmp_path: Path) -> None:
    assert list(ended_up(tmp_path)) == []
    write_up_file(UpView(1, 4711, 0, str(tmp_path), "", "", "", (), None, parts=()))
    (found,) = ended_up(tmp_path)
    assert found.status == "failed"
    assert "4711" in found.text
    (tmp_path / "up.json").write_bytes(b"\xff")
    assert list(ended_up(tmp_path)) == []


def test_who_waits_goes_on_when_a_leader_and_an_api_are_there_and_nothing_fails() -> None:
    there = [Finding(each, "ok", "") for each in ("leader", "api", "fold of main")]
    assert _is_up(there)
    assert not _is_up(there[:2])
    assert not _is_up([*there, Finding("disk", "failed", "")])
    assert _is_up([*there, Finding("disk", "warning", "")])
    skipped = msgspec.structs.replace(there[0], status="skipped")
    assert not _is_up([skipped, *there[1:]])

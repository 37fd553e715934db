"""The doctor's judgement of numbers and of this computer."""

import os
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.cli.doctor_checks import (
    disk,
    failover_timeout,
    files_and_places,
    java,
    parts,
    python,
    versions,
)
from streams.cli.doctor_network import (
    Places,
    api_findings,
    clock_of_answer,
    mesos_findings,
    skew,
)
from streams.settings import settings_of
from streams.supervise.up_file import PartView, UpView

DAY_S = 86_400


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(0, "failed"), (60, "warning"), (DAY_S - 1, "warning"), (DAY_S, "ok"), (7 * DAY_S, "ok")],
)
def test_a_failover_timeout_of_0_is_refused_and_a_small_one_warned_of(
    seconds: float, status: str
) -> None:
    found = failover_timeout("failover_timeout", seconds)
    assert found.status == status
    assert bool(found.remedy) == (status != "ok")


@pytest.mark.parametrize(
    ("milliseconds", "status"),
    [(0, "ok"), (-900, "ok"), (1_500, "warning"), (-1_500, "warning"), (-60_000, "failed")],
)
def test_clocks_may_differ_by_a_second(milliseconds: int, status: str) -> None:
    assert skew(milliseconds).status == status


@pytest.mark.parametrize(
    ("date", "status", "told"),
    [
        ("Mon, 23 Nov 2026 03:00:10 GMT", "ok", " 0 ms"),
        ("Mon, 23 Nov 2026 03:00:09 GMT", "ok", " -1 ms"),
        ("Mon, 23 Nov 2026 03:00:12 GMT", "warning", " 1800 ms"),
        ("Mon, 23 Nov 2026 03:00:07 GMT", "warning", " -2001 ms"),
        ("Mon, 23 Nov 2026 02:00:10 GMT", "failed", " -3599001 ms"),
        (None, "skipped", "no date"),
        ("yesterday", "skipped", "no date"),
    ],
)
def test_the_clock_of_a_master_is_known_to_the_second(
    date: str | None, status: str, told: str
) -> None:
    """Asked at 03:00:10.000, answered 200 ms later."""
    asked_at_ms = 1_795_402_810_000
    found = clock_of_answer(date, asked_at_ms, asked_at_ms + 200)
    assert found.status == status
    assert told in found.text


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("mebibytes", "status"), [(100, "failed"), (1_000, "warning"), (50_000, "ok")]
)
def test_room_on_the_disk(
    mebibytes: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory need not be there yet: the nearest one that is counts."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, mebibytes << 20))
    assert disk("disk", tmp_path / "not" / "there" / "yet").status == status


def test_a_directory_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert disk("disk", tmp_path).status == "failed"


def test_this_environment_is_what_was_locked() -> None:
    assert python().status == "ok"
    found = {each.check: each for each in versions()}
    assert found["flumina"].status == "ok"
    assert found["faust-streaming"].status == "ok"


def test_java_is_looked_at_only_where_it_is_needed() -> None:
    assert java(settings_of({})).status == "ok"
    assert java(settings_of({"KAFKA_BROKERS": "kafka:9092"})).status == "skipped"


def test_each_process_of_an_up_is_told() -> None:
    def part(name: str, state: str, starts: int) -> PartView:
        return PartView(name, state, "", 1, starts, "log")  # type: ignore[arg-type] # any state

    view = UpView(
        *(1, 1, 0, "", "", "", "", (), None),
        parts=(part("a", "ready", 1), part("b", "ready", 3), part("c", "waiting", 2)),
    )
    assert [each.status for each in parts(view)] == ["ok", "warning", "failed"]


def test_what_is_nowhere_is_skipped_and_what_does_not_answer_failed() -> None:
    nowhere = Places(settings_of({}), "", (), "", "ada")
    assert [each.status for each in api_findings(nowhere)] == ["skipped"]
    assert [each.status for each in mesos_findings(nowhere, None)] == ["skipped"]
    dead = Places(settings_of({}), "", ("127.0.0.1:1",), "http://127.0.0.1:1", "ada")
    for found in (*api_findings(dead), *mesos_findings(dead, None)):
        assert found.status == "failed"
        assert "127.0.0.1:1" in found.text
        assert found.remedy


def test_what_settings_name_is_looked_at_and_what_is_unset_is_left(tmp_path: Path) -> None:
    assert list(files_and_places(settings_of({}))) == []
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{name: 5}]")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        named = {"FLUMINA_RATE_LIMITS": str(rules), "FLUMINA_PROMETHEUS": url}
        found = {each.check: each.status for each in files_and_places(settings_of(named))}
    assert found == {"rate limits": "failed", "prometheus": "ok"}
    rules.write_text("rules: []")
    found = {each.check: each.status for each in files_and_places(settings_of(named))}
    assert found == {"rate limits": "ok", "prometheus": "failed"}, "nobody listens any more"

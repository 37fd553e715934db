"""The list of drills: complete, documented, and refused where something else could be hurt."""

import json
from pathlib import Path

import pytest

from streams.drills.catalogue import DRILLS, drill_named
from streams.drills.promises import RESTORED
from tests.support.command_line import flumina

DOCS = Path(__file__).parents[3] / "docs" / "drills.md"


def test_names_and_the_keys_of_promises_are_unique() -> None:
    names = [each.name for each in DRILLS]
    assert len(names) == len(set(names))
    for drill in DRILLS:
        keys = [each.key for each in drill.promises]
        assert len(keys) == len(set(keys)), drill.name
        assert RESTORED not in keys, drill.name
        assert drill_named(drill.name) is drill


def test_the_docs_describe_every_drill_and_no_other() -> None:
    headings = [
        line.removeprefix("## ").strip("`")
        for line in DOCS.read_text("utf-8").splitlines()
        if line.startswith("## `")
    ]
    assert headings == [each.name for each in DRILLS]


def test_the_list_names_each_with_its_promises(tmp_path: Path) -> None:
    done = flumina(tmp_path, "drill", "--list", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert [each["drill"] for each in listed] == [each.name for each in DRILLS]
    assert all(RESTORED in each["promises"] for each in listed)
    assert all(each.name in flumina(tmp_path, "drill", "--list").stdout for each in DRILLS)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KAFKA_BROKERS", "kafka.example:9092"),
        ("MESOS_MASTER", "mesos.example:5050"),
        ("FLUMINA_STORE", "s3://bucket/prefix"),
    ],
)
def test_a_drill_refuses_where_somebody_elses_is_named(
    tmp_path: Path, variable: str, value: str
) -> None:
    done = flumina(tmp_path / "data", "drill", "container-crash", **{variable: value})
    assert done.returncode == 1
    assert f"{variable} is set" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_drill_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    for words in (("drill",), ("drill", "no-such-drill")):
        done = flumina(tmp_path / "data", *words)
        assert done.returncode == 1
        assert "control-plane-down" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_directory_that_is_not_empty_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("of somebody")
    done = flumina(tmp_path, "drill", "container-crash", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert (tmp_path / "something").read_text() == "of somebody"

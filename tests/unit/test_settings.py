"""Settings: defaults, each one read, and every mistake in an environment named at once."""

from pathlib import Path

import pytest

from streams.errors import OperatorError
from streams.settings import SETTINGS, Settings, settings_of


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = settings_of({"HOME": "/home/someone"})
    assert settings.kafka_brokers is None
    assert settings.topic_prefix == ""
    assert settings.cells == 1
    assert settings.replication_factor is None
    assert settings.data_dir == Path(".flumina")
    assert settings.cache_dir.name == "flumina"


def test_every_setting_is_read() -> None:
    settings = settings_of(
        {
            "KAFKA_BROKERS": "one:9092, two:9093",
            "FLUMINA_TOPIC_PREFIX": "test.",
            "FLUMINA_CELLS": "12",
            "FLUMINA_REPLICATION_FACTOR": "3",
            "FLUMINA_DATA": "/data",
            "FLUMINA_CACHE": "/cache",
            "FLUMINA_PYTHON": "python3.12",
            "UNRELATED": "x",
        }
    )
    assert settings == Settings(
        kafka_brokers="one:9092,two:9093",
        topic_prefix="test.",
        cells=12,
        replication_factor=3,
        data_dir=Path("/data"),
        cache_dir=Path("/cache"),
    )


def test_every_field_has_its_variable_and_an_empty_one_is_unset() -> None:
    assert [setting.field for setting in SETTINGS] == list(Settings.__struct_fields__)
    empty = {setting.variable: "" for setting in SETTINGS}
    assert settings_of(empty) == settings_of({})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("KAFKA_BROKERS", "localhost"),
        ("KAFKA_BROKERS", "localhost:0"),
        ("KAFKA_BROKERS", "localhost:70000"),
        ("KAFKA_BROKERS", "one:9092,,two:9092"),
        ("KAFKA_BROKERS", ":9092"),
        ("FLUMINA_TOPIC_PREFIX", "a b"),
        ("FLUMINA_TOPIC_PREFIX", "x" * 201),
        ("FLUMINA_CELLS", "0"),
        ("FLUMINA_CELLS", "-1"),
        ("FLUMINA_CELLS", "1001"),
        ("FLUMINA_CELLS", "many"),
        ("FLUMINA_REPLICATION_FACTOR", "1.5"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, text: str) -> None:
    with pytest.raises(OperatorError) as raised:
        settings_of({variable: text})
    assert f"{variable}={text!r}: " in raised.value.what


def test_all_mistakes_are_told_at_once_and_a_misspelt_name_gets_a_hint() -> None:
    with pytest.raises(OperatorError) as raised:
        settings_of({"FLUMINA_CELS": "2", "FLUMINA_CELLS": "no", "FLUMINA_XYZZY": ""})
    assert "FLUMINA_CELS is no setting; FLUMINA_CELLS is meant, perhaps" in raised.value.what
    assert "FLUMINA_CELLS='no': " in raised.value.what
    assert "FLUMINA_XYZZY is no setting" in raised.value.what

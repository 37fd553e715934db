"""A data directory keeps to the number of brokers that it was begun with."""

from pathlib import Path

import pytest

from streams.errors import OperatorError
from streams.kafka.shape import NOTE, begun_with, keep_to_shape
from streams.kafka.trio import KafkaTrio


def test_a_new_directory_takes_any_number_and_keeps_it(tmp_path: Path) -> None:
    for number in (1, 3):
        place = tmp_path / str(number)
        assert begun_with(place) is None
        keep_to_shape(place, number)
        keep_to_shape(place, number)
        assert begun_with(place) == number


@pytest.mark.parametrize(
    ("begun", "wanted", "words"),
    [(1, 3, "a Kafka of one broker, and 3 are wanted"), (3, 1, "of 3 brokers, and one is wanted")],
)
def test_another_number_is_refused_and_says_which_it_has(
    tmp_path: Path, begun: int, wanted: int, words: str
) -> None:
    keep_to_shape(tmp_path, begun)
    with pytest.raises(OperatorError, match=words) as refused:
        keep_to_shape(tmp_path, wanted)
    assert f"--brokers {begun}" in refused.value.remedy
    assert begun_with(tmp_path) == begun


def test_a_directory_of_before_there_were_notes_has_one_broker(tmp_path: Path) -> None:
    (tmp_path / "broker-1").mkdir()
    keep_to_shape(tmp_path, 1)
    with pytest.raises(OperatorError, match="a Kafka of one broker"):
        KafkaTrio(tmp_path).prepare()
    assert not (tmp_path / "broker-2").exists()


def test_a_note_that_is_no_number_is_no_guess(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text("a few")
    with pytest.raises(OperatorError, match="'a few' where a number"):
        begun_with(tmp_path)


def test_three_have_one_cluster_and_addresses_of_their_own_also_the_next_time(
    tmp_path: Path,
) -> None:
    first = KafkaTrio(tmp_path)
    first.prepare()
    ports = [port for each in first.addresses for port in (each.port, each.controller_port)]
    assert len(set(ports)) == 6
    assert [each.node_id for each in first.addresses] == [1, 2, 3]
    second = KafkaTrio(tmp_path)
    second.prepare()
    assert second.bootstrap == first.bootstrap

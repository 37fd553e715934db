"""A run is a function of its script: the same log to the byte, in any process, any hash seed."""

import json
from pathlib import Path

import pytest

from streams.cli.main import main
from streams.simulation.batch import run_seed
from streams.simulation.drawing import drawn_script
from streams.simulation.run import run_script
from streams.simulation.script import decode_script, encode_script
from tests.support.hash_seeds import output_with_seed

SEED = 4
HOURS = 6.0


@pytest.mark.integration  # It starts processes.
def test_two_hash_seeds_give_the_same_log_and_state() -> None:
    words = ("simulate", "faults", "--seed", str(SEED), "--hours", str(HOURS), "--json")
    outputs = [output_with_seed(seed, "streams.cli.main", *words) for seed in ("1", "2")]
    assert outputs[0] == outputs[1]
    told = json.loads(outputs[0].splitlines()[-1])
    assert told["seed"] == SEED
    assert told["violations"] == []
    here, _ = run_seed(SEED, HOURS)
    assert (told["log_digest"], told["state_digest"]) == (here.log_digest, here.state_digest)
    assert told["events"] == here.events


def test_two_seeds_give_two_logs() -> None:
    assert run_seed(1, 1.5)[0].log_digest != run_seed(2, 1.5)[0].log_digest


def test_a_script_is_read_back_as_it_was_written() -> None:
    script = drawn_script(SEED, HOURS)
    assert decode_script(encode_script(script)) == script


@pytest.mark.slow
def test_a_script_from_a_file_repeats_its_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = drawn_script(5, 1.5)
    path = tmp_path / "script.json"
    path.write_bytes(encode_script(script))
    with pytest.raises(SystemExit) as left:
        main(["simulate", "faults", "--script", str(path), "--json"])
    assert left.value.code == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["log_digest"] == run_script(script).log_digest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hours", "0.5"], "too few"),
        (["--seeds", "9-3"], "no range of seeds"),
        (["--script", "absent.json"], "cannot be read"),
    ],
)
def test_what_cannot_be_run_is_said(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["simulate", "faults", *words])
    assert left.value.code == 1
    assert said in capsys.readouterr().err

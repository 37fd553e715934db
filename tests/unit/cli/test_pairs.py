"""Commands of two words, and a job that is called as the second of them."""

import pytest

from streams.cli.main import with_pair


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["scale", "backtest", "load.csv"], ["scale backtest", "load.csv"]),
        (["scale", "backtest", "--horizon", "15m", "load.csv"], ["scale backtest", "--horizon"]),
        (["scale", "backtest", "--help"], ["scale backtest", "--help"]),
        (["scale", "backtest", "8"], ["scale", "backtest", "8"]),
        (["scale", "backtest", "--min", "2"], ["scale", "backtest", "--min", "2"]),
        (["scale", "backtest", "--max=9"], ["scale", "backtest", "--max=9"]),
        (["scale", "web", "8"], ["scale", "web", "8"]),
        (["simulate", "faults"], ["simulate faults"]),
    ],
)
def test_a_size_says_that_the_job_is_meant(words: list[str], meant: list[str]) -> None:
    assert with_pair(words)[: len(meant)] == meant

"""The tasks model: what a file may say, what it must not, and how a run is named after it."""

import json
import re
from pathlib import Path
from random import Random

import pytest

from connectors.devcluster.simulated.distributions import (
    Constant,
    Exponential,
    LogNormal,
    Quantiles,
    Uniform,
    draw,
)
from connectors.devcluster.simulated.model import (
    UNIFORM,
    ModelError,
    Run,
    Weather,
    check,
    is_uniform,
    load,
    weather_of,
)

WHOLE = """
name = "busy-day"
seed = 7
delay_s = {kind = "uniform", low = 0.001, high = 0.004}

[images]
size_mib = {kind = "lognormal", median = 400, sigma = 0.8, at_most = 8000}
sizes_mib = {"app/web" = 900.0}
cache_mib = 5000
host_mib_per_s = 120
pull_mib_per_s_max = 60
registry_pulls_max = 200
unpack_s = 2.0
failure_share = 0.001

[interfaces]
tasks = "all"
per_host = 4
addresses_each = 30
attach_s = {kind = "exponential", mean = 8, at_most = 60}
address_s = 0.2

[start]
seconds = {kind = "quantiles", points = [[0, 0.05], [0.9, 0.4], [1, 3]]}
failure_share = 0.01

[[runs]]
label = "tier=batch"
seconds = {kind = "exponential", mean = 120}
exits = [{status = 0, share = 0.95}, {status = 1, share = 0.04}, {signal = 9, share = 0.01}]

[[runs]]
seconds = 86400

[stop]
seconds = 0.5
ignores_term_share = 0.05

[hosts]
uptime_s = {kind = "exponential", mean = 864000}
downtime_s = 300
"""


def test_a_whole_file_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(WHOLE)
    weather = weather_of(path, None)
    assert weather.seed == 7
    assert not is_uniform(weather.model)
    assert weather.title == f"model 'busy-day' ({path}), seed 7"
    assert weather_of(path, 9).seed == 9


def test_the_example_of_the_documentation_is_understood(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "dev-cluster.md").read_text("utf-8")
    [example] = re.findall(r"```toml\n(name = .*?)```", page, re.DOTALL)
    path = tmp_path / "model.toml"
    path.write_text(example)
    assert weather_of(path, 1).model.name == "busy-day"


def test_json_says_the_same_as_toml(tmp_path: Path) -> None:
    toml, other = tmp_path / "m.toml", tmp_path / "m.json"
    toml.write_text("[[runs]]\nseconds = 5\nexits = [{status = 3}]")
    other.write_text(json.dumps({"runs": [{"seconds": 5, "exits": [{"status": 3}]}]}))
    assert load(toml) == load(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs = 5", "$.runs"),
        ("[imagse]", "imagse"),
        ("[images]\ncache = 5", "cache"),
        ("= 5", "is not TOML"),
        ("runs = []", "at least one must match every task"),
        ('[[runs]]\nlabel = "a=b"', "must match every task"),
        ('[[runs]]\nlabel = "a"\n[[runs]]', "write key=value"),
        ("[[runs]]\nexits = [{share = 0.5}]", "must add up to 1"),
        ("[[runs]]\nexits = [{status = 300}]", "a status is 0 to 255"),
        ("[[runs]]\nexits = [{status = 1, signal = 9}]", "a signal is 1 to 64"),
        ("[start]\nseconds = -1", "start.seconds"),
        ('[start]\nseconds = {kind = "uniform", low = 2, high = 1}', "low above high"),
        ('[start]\nseconds = {kind = "lognormal", median = 0, sigma = 1}', "above 0"),
        ('[start]\nseconds = {kind = "quantiles", points = []}', "no points"),
        ('[start]\nseconds = {kind = "quantiles", points = [[1, 1], [0, 2]]}', "do not rise"),
        ('[start]\nseconds = {kind = "gauss"}', "gauss"),
        ("[start]\nfailure_share = 2", "between 0 and 1"),
        ("[images]\nhost_mib_per_s = 0", "nothing would ever be pulled"),
        ("[images]\nregistry_pulls_max = -1", "must not be negative"),
        ('[interfaces]\ntasks = "some"', "none, asked or all"),
        ("[interfaces]\nper_host = 0", "at least 1"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_name(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "model.toml"
    path.write_text(text)
    with pytest.raises(ModelError, match="tasks model") as refused:
        load(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load(Path("/nowhere/model.toml"))


def test_the_default_model_makes_sense_and_is_called_uniform() -> None:
    assert check(UNIFORM) is None
    assert is_uniform(UNIFORM)
    title = Weather(UNIFORM, 3).title
    assert title == (
        "uniform model: each task starts in 0.02 s and runs 60 s, nothing fails, seed 3"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[start]\nfailure_share = 0.1",
        '[start]\nseconds = {kind = "exponential", mean = 1}',
        "[[runs]]\nexits = [{status = 1}]",
        '[[runs]]\nlabel = "a=b"\nseconds = 1\n[[runs]]\nseconds = 2',
        '[images]\nsizes_mib = {"x" = 5.0}',
        '[interfaces]\ntasks = "all"',
        "[hosts]\nuptime_s = 100",
    ],
)
def test_a_model_with_any_difference_between_tasks_is_not_uniform(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "model.toml"
    path.write_text(text)
    assert not is_uniform(load(path))


def test_a_uniform_model_from_a_file_is_still_called_uniform(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text('name = "realistic"\n[[runs]]\nseconds = 5.0')
    assert weather_of(path, 1).title.startswith("uniform model: each task")


def test_draws_lie_where_their_distribution_says() -> None:
    chance = Random(5)
    for _ in range(200):
        assert draw(2.5, chance) == draw(Constant(2.5), chance) == 2.5
        assert 1 <= draw(Uniform(1, 2), chance) <= 2
        assert 0 <= draw(Exponential(1, at_most=0.5), chance) <= 0.5
        assert 0 < draw(LogNormal(1, 2, at_most=9), chance) <= 9
        assert 1 <= draw(Quantiles([(0.5, 1), (1, 3)]), chance) <= 3


def test_quantiles_follow_the_data() -> None:
    chance = Random(5)
    values = sorted(draw(Quantiles([(0, 0), (0.5, 10), (1, 100)]), chance) for _ in range(4_000))
    assert 9 < values[2_000] < 12
    assert 50 < values[3_000] < 60


def test_the_last_run_is_for_every_task() -> None:
    assert check(UNIFORM.__class__(runs=(Run(label="a=b"), Run()))) is None

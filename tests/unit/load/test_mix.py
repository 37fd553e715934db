"""The mix is the one that was told: ranges, shares and exact numbers, the same for one seed."""

import tomllib
from pathlib import Path

import orjson
import pytest

from connectors.devcluster.resources import parse_resources
from connectors.devcluster.simulated.fleet import resources_of
from connectors.devcluster.simulated.model import load
from scheduler.model.descriptor import decode_descriptor
from scheduler.model.job import JobSpec
from streams.load import mix

LAUNCHES = 30_000


@pytest.fixture(scope="module")
def plans() -> list[mix.JobPlan]:
    return list(mix.jobs(7, LAUNCHES))


def test_a_seed_gives_the_same_jobs_and_as_many_launches_as_were_asked_for(
    plans: list[mix.JobPlan],
) -> None:
    assert sum(each.tasks for each in plans) == LAUNCHES
    assert list(mix.jobs(7, LAUNCHES)) == plans
    assert list(mix.jobs(8, 100)) != plans[:100]
    assert len({each.job_id for each in plans}) == len(plans)


def test_sizes_and_lives_lie_in_the_ranges_that_netflix_told(plans: list[mix.JobPlan]) -> None:
    images = set()
    for each in plans:
        container = orjson.loads(each.body)["container"]
        need = container["resources"]
        assert 1 <= need["cpu"] <= 32
        assert 2_000 <= need["memoryMB"] <= 200_000
        assert 10 <= need["networkMbps"] <= 2_000
        assert 1 <= each.tasks <= 1_000
        assert (each.life == "service") == (each.service_s > 0)
        images.add(container["image"]["name"])
    assert len(images) > 300
    lives = [each.life for each in plans]
    assert lives.count("minutes") / len(lives) > 0.5, "most live minutes to an hour"
    assert {"moment", "seconds", "hours", "days", "service"} <= set(lives)
    assert 0.01 < lives.count("service") / len(lives) < 0.06


def test_a_job_of_the_mix_is_one_that_the_api_takes(plans: list[mix.JobPlan]) -> None:
    for each in plans[:200]:
        spec = decode_descriptor(each.body)
        assert isinstance(spec, JobSpec), spec
        assert spec.desired == each.tasks


def test_the_largest_task_fits_the_largest_host() -> None:
    largest = mix.HOST_SORTS[-1]
    assert max(cpu for cpu, _ in mix.CPU_SHARES) <= largest.cpus
    assert largest.memory_gb >= mix.MEMORY_GB_MOST
    assert sum(share for _, share in mix.CPU_SHARES) == pytest.approx(1.0)
    assert sum(each.share for each in mix.LIVES) == pytest.approx(1.0)
    assert sum(each.share for each in mix.JOB_SIZES) == pytest.approx(1.0)


def test_simulated_hosts_take_turns_with_the_sorts() -> None:
    text = mix.host_resources()
    sorts = [parse_resources(resources_of(number, text)).to_json() for number in range(1, 7)]
    cpus = [each["scalar"]["value"] for sort in sorts for each in sort if each["name"] == "cpus"]
    assert cpus == [*(float(each.cpus) for each in mix.HOST_SORTS), float(mix.HOST_SORTS[0].cpus)]


def test_time_is_compressed_so_that_the_hosts_hold_what_runs() -> None:
    assert mix.compression(7_000, 5.0) == 1.0, "Netflix' own rate needs no compression"
    assert mix.compression(1_000, 1_000) == pytest.approx(7 * mix.compression(7_000, 1_000))


def test_the_model_of_tasks_is_one_that_the_dev_cluster_reads(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(mix.tasks_model(120.0), "utf-8")
    runs = tomllib.loads(path.read_text("utf-8"))["runs"]
    assert [each.get("variable", "") for each in runs] == [
        *(f"LOAD_LIFE={each.name}" for each in mix.LIVES),
        "",
    ]
    assert runs[2]["seconds"]["points"][0][1] == pytest.approx(60 / 120, rel=1e-4)
    assert runs[2]["seconds"]["points"][-1][1] == pytest.approx(3_600 / 120, rel=1e-4)
    assert load(path).runs[0].variable == "LOAD_LIFE=moment"

"""`flumina simulate --cost-of`: what a tier's tasks cost the others, from files."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import flumina

POLICY = """
groups:
  DEFAULT: {tier: Flex}
  web: {tier: Critical, guarantee: {memory: 8 GiB}}
guards: {preemptions_per_job_per_hour: 16}
"""


def _write(folder: Path) -> tuple[str, ...]:
    """64 cpus, a wave of 400 tasks of ten minutes, and a service of 16 cpus after a minute."""
    rows_of_hosts = [f"h{number},8,65536,A" for number in range(8)]
    wave = [f"b{number},wave,1,1024,0,600,," for number in range(400)]
    web = [f"w{number},web,2,1024,60,3660,Critical,web" for number in range(8)]
    for name, rows in (
        ("hosts.csv", ["name,cpus,mem,zone", *rows_of_hosts]),
        ("tasks.csv", ["id,job,cpus,mem,arrive_s,end_s,tier,group", *wave, *web]),
        ("p.yaml", [POLICY]),
    ):
        (folder / name).write_text("\n".join(rows) + "\n", "utf-8")
    hosts_csv, tasks_csv, policy = (str(folder / n) for n in ("hosts.csv", "tasks.csv", "p.yaml"))
    return ("--hosts", hosts_csv, "--tasks", tasks_csv, "--policy", policy, "--retry")


@pytest.mark.integration  # An hour of a cell, twice.
def test_the_wait_of_the_tier_and_what_the_others_lost_are_told(tmp_path: Path) -> None:
    done = flumina(tmp_path, "simulate", *_write(tmp_path), "--cost-of", "Critical", "--json")
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.rstrip("\n").split("\n")
    # 48 of 64 cpus are left to the wave from the second minute on, and a minute of 16 is lost.
    lost = (384 * 600 + 16 * 60) - 48 * 3_660
    cost = {
        "tier": "Critical",
        "wait_s_max": 1.0,
        "lost_task_seconds": {"Flex": lost},
        "preempted": 16,
    }
    assert json.loads(last)["cost_of"] == {"p": cost}
    assert "Flex lost 55680 of 231360 task-seconds to Critical" in done.stdout


def test_a_tier_without_tasks_is_refused(tmp_path: Path) -> None:
    done = flumina(tmp_path, "simulate", *_write(tmp_path), "--cost-of", "Critcal")
    assert done.returncode == 2
    assert "is of tier Critcal" in " ".join(done.stderr.split())

"""A batch wave fills the cluster; a guaranteed Critical service still starts within its bound.

What Flex lost is counted from two runs of the same work, with and without the service.
"""

from msgspec.structs import replace

from projections.simulate.contention import ENDING_MS, Contention, Work, contention
from scheduler.model.rules import Amount, Guards, PlacementRules
from scheduler.placement.engine import Placement
from tests.support.queueing import ask, group, hosts, rules

HOUR_MS = 3_600_000
BATCH = Work(ask("wave"), 1_000, arrive_ms=0, runtime_ms=600_000)
SERVICE = Work(ask("web", cpu=2, tier="Critical", group="web"), 8, arrive_ms=60_000)


def _report(of: PlacementRules) -> Contention:
    def placement() -> Placement:
        made = Placement(of)
        made.put_hosts(hosts(8))
        return made

    return contention(placement, of, [BATCH, SERVICE], HOUR_MS)


def test_what_is_held_back_starts_at_once_and_costs_flex_its_room() -> None:
    report = _report(rules(group("web", "Critical", cpu=16)))
    batch, service = report.run_with.served
    assert (service.started, service.wait_ms_max, service.rounds_max) == (8, 0, 1)
    assert batch.preempted == 0
    # 64 cpus less 16 held back, in both runs: holding back costs the same whether it is used.
    assert report.lost_task_seconds == (("Flex", 0),)
    assert report.run_with.useful_ms("Flex") == 48 * HOUR_MS


def _guaranteed_memory(preemptions_per_job_per_hour: int) -> PlacementRules:
    """Memory is guaranteed, which the wave does not fill; cpus are full, and must be freed."""
    web = replace(group("web", "Critical"), guarantee=Amount(memory_mib=8_192))
    guards = Guards(preemptions_per_job_per_hour=preemptions_per_job_per_hour)
    return rules(web, guards=guards)


def test_what_is_not_held_back_is_freed_within_the_time_that_tasks_take_to_end() -> None:
    report = _report(_guaranteed_memory(16))
    batch, service = report.run_with.served
    assert (service.started, service.wait_ms_max) == (8, ENDING_MS)
    assert service.rounds_max == 2
    assert batch.preempted == 16
    # Each of the 16 had run for a minute, and the service has their cpus for the rest of the hour,
    # but for the second in which they ended.
    assert batch.lost_ms == 16 * 60_000
    lost = dict(report.lost_task_seconds)["Flex"]
    without = report.run_without.useful_ms("Flex")
    assert lost == (without - report.run_with.useful_ms("Flex")) // 1_000
    assert lost == 16 * 3_600
    assert report.lines()[-1] == f"Flex lost {lost} of {without // 1_000} task-seconds to Critical"


def test_a_budget_bounds_what_flex_loses_and_the_service_waits_for_ends_instead() -> None:
    report = _report(_guaranteed_memory(4))
    batch, service = report.run_with.served
    assert batch.preempted == 4
    # The other six start when the wave's first tasks end by themselves, ten minutes after they did.
    assert (service.started, service.wait_ms_max) == (8, 540_000)


def test_the_same_runs_say_the_same() -> None:
    of = rules(group("web", "Critical", cpu=16))
    assert _report(of) == _report(of)

"""A trace call by call: who is offered when, who is offered again, who has ended by then."""

from projections.simulate.policies import pack
from projections.simulate.replay import CallRecord, Replay
from projections.simulate.report import hosts_used, waits_of, zone_spread
from projections.simulate.trace import Trace, TraceTask
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources
from scheduler.placement.host import HostView
from scheduler.placement.request import Request

Row = tuple[str, int, int, int | None]


def host(name: str, cpus: int, zone: str = "A") -> HostView:
    total = Resources(cpu_milli=1_000 * cpus, memory_mib=1_000)
    return HostView(HostId(name), total, total, attributes=(("zone", zone),), hostname=name)


def trace(hosts: list[HostView], rows: list[Row]) -> Trace:
    tasks = [
        TraceTask(
            name, Request(JobId("j"), Need(1_000 * cpus, 1)), 1_000 * arrive, end and 1_000 * end
        )
        for name, cpus, arrive, end in rows
    ]
    return Trace(hosts, tasks, has_times=any(arrive or end for _, _, arrive, end in rows))


def run(of: Trace, batch: int, *, retry: bool = False) -> tuple[Replay, list[CallRecord]]:
    replay = Replay(of, pack(), batch=batch, is_retrying=retry)
    replay.build()
    return replay, [each for each in replay.calls() if each is not None]


def test_each_call_gets_the_next_tasks_of_the_file() -> None:
    rows: list[Row] = [(f"t{number}", 1, 0, None) for number in range(5)]
    replay, calls = run(trace([host("h", 8)], rows), batch=2)

    assert [each.offered for each in calls] == [2, 2, 1]
    assert [name for each in calls for name, _ in each.placed] == ["t0", "t1", "t2", "t3", "t4"]
    assert hosts_used(replay) == 1


def test_what_does_not_fit_is_not_offered_again() -> None:
    rows: list[Row] = [("big", 4, 0, None), ("big2", 4, 0, None), ("late", 1, 50, None)]
    replay, calls = run(trace([host("h", 4)], [*rows[:1], ("big2", 4, 1, None)]), batch=1)

    assert len(replay.placed) == 1
    assert calls[1].refused[0].tasks == 1
    assert calls[1].refused[0].rules == (("cpu", 1),)
    assert replay.waiting == 0


def test_with_retry_a_task_gets_the_room_of_one_that_ended() -> None:
    rows: list[Row] = [("first", 4, 0, 10), ("second", 4, 1, 6)]
    replay, calls = run(trace([host("h", 4)], rows), batch=200, retry=True)

    assert [each.placed for each in calls] == [(("first", "h"),), (), (("second", "h"),)]
    assert replay.placed[1].at_ms == 10_000
    waits = waits_of(replay)
    assert (waits.most_ms, waits.waited) == (9_000, 1)
    assert not replay.running, "it ran for its five seconds, and has ended"
    assert replay.now_ms == 15_000


def test_who_ends_is_gone_before_those_of_the_same_moment_arrive() -> None:
    rows: list[Row] = [("first", 4, 0, 10), ("second", 4, 10, None)]
    replay, _ = run(trace([host("h", 4)], rows), batch=200)

    assert len(replay.placed) == 2
    assert replay.running == {1}


def test_tasks_are_offered_by_arrival_and_not_by_their_place_in_the_file() -> None:
    rows: list[Row] = [("late", 4, 9, None), ("early", 4, 1, None)]
    replay, calls = run(trace([host("h", 4)], rows), batch=200)

    assert calls[0].placed == (("early", "h"),)
    assert replay.host_of(0) is None


def test_a_balanced_job_has_a_skew_of_one_at_most() -> None:
    hosts = [host(f"h{number}", 4, "ABC"[number % 3]) for number in range(6)]
    rows: list[Row] = [(f"t{number}", 1, 0, None) for number in range(7)]
    replay, _ = run(trace(hosts, rows), batch=200)
    assert zone_spread(replay).most == 4, "packed: four on one host, three on another"

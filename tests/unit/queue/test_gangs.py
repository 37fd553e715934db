"""Gangs start whole in one round, or wait whole with a reason that names them."""

from scheduler.model.rules import Guards
from scheduler.queue.outcome import RoundLimits
from tests.support.queueing import SmallCell, ask, group, held, hosts, refused, rules


def test_a_gang_that_fits_starts_in_one_round() -> None:
    cell = SmallCell(hosts(2), rules())
    cell.wait(ask("driver", cpu=2, gang="g"), 1)
    cell.wait(ask("worker", cpu=3, gang="g"), 4)
    cell.round()
    assert cell.counts() == {"driver": 1, "worker": 4}


def test_a_gang_that_does_not_fit_takes_nothing_and_says_how_many_fitted() -> None:
    cell = SmallCell(hosts(2), rules())
    cell.wait(ask("driver", cpu=2, gang="g"), 1)
    cell.wait(ask("worker", cpu=3, gang="g"), 5)
    cell.wait(ask("behind"), 16)
    outcome = cell.round()
    # All 16 cpus are there for whoever comes next: nothing of the gang holds any.
    assert cell.counts() == {"behind": 16}
    by_job = {str(each.request.job_id): each.outcome for each in outcome.refused}
    words = "gang g starts whole: 5 of its 6 tasks fit, then job worker found no host"
    for job in ("driver", "worker"):
        assert by_job[job].refused[0].rule == "gang"
        assert by_job[job].refused[0].missing == words
        assert by_job[job].choices == ()
    # The member that failed also says what the hosts lacked.
    assert len(by_job["worker"].refused) > 1
    assert len(by_job["driver"].refused) == 1


def test_one_class_can_be_a_gang() -> None:
    cell = SmallCell(hosts(1), rules())
    cell.wait(ask("ring", cpu=3, gang="ring"), 3)
    outcome = cell.round()
    assert cell.counts() == {}
    assert refused(outcome)["ring"][0] == "gang"


def test_a_gang_whose_member_fits_on_no_host_waits_whole() -> None:
    cell = SmallCell(hosts(2), rules())
    cell.wait(ask("worker", gang="g"), 2)
    cell.wait(ask("giant", cpu=9, gang="g"), 1)
    for _ in range(3):
        outcome = cell.round()
        assert cell.counts() == {}
        assert {job: rules[0] for job, rules in refused(outcome).items()} == {
            "worker": "gang",
            "giant": "gang",
        }


def test_a_gang_that_a_limit_does_not_let_through_whole_is_held_whole() -> None:
    cell = SmallCell(hosts(2), rules(group("a", limit=3)))
    cell.wait(ask("ring", group="a", gang="ring"), 4)
    outcome = cell.round()
    assert cell.counts() == {}
    assert held(outcome) == {"ring": "group limit"}
    assert outcome.held[0].words == (
        "gang ring starts whole, all 4 tasks: group a may use 3 cpus and uses 0; a task needs 1"
    )


def test_a_gang_partly_inside_a_guarantee_goes_by_fair_shares() -> None:
    cell = SmallCell(hosts(1), rules(group("a", cpu=3)))
    cell.wait(ask("ring", group="a", gang="ring"), 4)
    cell.round()
    assert cell.counts() == {"ring": 4}


def test_a_gang_larger_than_a_round_or_a_rate_starts_all_the_same() -> None:
    guarded = rules(guards=Guards(launches_per_job_per_minute=2))
    cell = SmallCell(hosts(2), guarded)
    cell.wait(ask("ring", gang="ring"), 6)
    cell.round(limits=RoundLimits(launches_max=4))
    assert cell.counts() == {"ring": 6}


def test_an_overdue_gang_reserves_as_many_hosts_as_it_has_tasks() -> None:
    cell = SmallCell(hosts(4), rules(aging_ms=1_000))
    cell.wait(ask("small"), 32)
    cell.round()
    cell.wait(ask("ring", cpu=8, gang="ring"), 3, since_ms=0)
    outcome = cell.round(1_000)
    (reservation,) = outcome.reservations
    assert len(reservation.host_ids) == 3

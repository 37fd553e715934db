"""The queue keeps its classes in the order of the log, whatever order it was told them in."""

from itertools import permutations

from scheduler.queue.waiting import Queue, Waiting
from tests.support.queueing import ask


def _jobs(queue: Queue) -> list[str]:
    return [str(each.request.job_id) for each in queue]


def test_classes_stand_in_the_order_of_the_log_in_any_order_of_telling() -> None:
    classes = [
        Waiting(ask("c"), 1, 0, (3, 0)),
        Waiting(ask("a"), 1, 0, (5, 0)),
        Waiting(ask("b"), 1, 0, (5, 1)),
        Waiting(ask("b", cpu=2), 1, 0, (5, 1)),
    ]
    queues = [Queue(told) for told in permutations(classes)]
    assert _jobs(queues[0]) == ["c", "a", "b", "b"]
    assert all(list(queue) == list(queues[0]) for queue in queues)


def test_a_count_of_none_removes_a_class() -> None:
    queue = Queue([Waiting(ask("a"), 3, 0, (1, 0)), Waiting(ask("b"), 2, 0, (2, 0))])
    assert (len(queue), queue.tasks) == (2, 5)
    queue.set_waiting(ask("a"), 0, 0, (1, 0))
    assert (_jobs(queue), len(queue), queue.tasks) == (["b"], 1, 2)
    queue.set_waiting(ask("unknown"), 0, 0, (1, 0))
    queue.set_waiting(ask("b"), 0, 0, (2, 0))
    assert (list(queue), queue.tasks, queue.groups()) == ([], 0, [])


def test_a_changed_count_changes_nothing_of_the_order() -> None:
    queue = Queue([Waiting(ask("a"), 3, 0, (1, 0)), Waiting(ask("b"), 2, 0, (2, 0))])
    queue.set_waiting(ask("a"), 9, 7, (1, 0))
    assert _jobs(queue) == ["a", "b"]
    assert queue.tasks == 11
    assert queue.get(ask("a")) == Waiting(ask("a"), 9, 7, (1, 0))


def test_a_changed_place_moves_a_class() -> None:
    queue = Queue([Waiting(ask("a"), 3, 0, (1, 0)), Waiting(ask("b"), 2, 0, (2, 0))])
    queue.set_waiting(ask("a"), 3, 0, (3, 0))
    assert _jobs(queue) == ["b", "a"]


def test_what_was_placed_waits_no_more_and_the_wait_of_the_rest_begins_anew() -> None:
    queue = Queue([Waiting(ask("a"), 3, 0, (1, 0), 4)])
    queue.placed(ask("a"), 2, now_ms=50)
    assert queue.get(ask("a")) == Waiting(ask("a"), 1, 50, (1, 0), 6)
    queue.placed(ask("a"), 1, now_ms=60)
    assert queue.get(ask("a")) is None


def test_groups_are_apart() -> None:
    queue = Queue(
        [Waiting(ask("a", group="x"), 1, 0, (1, 0)), Waiting(ask("b", group="y"), 1, 0, (0, 0))]
    )
    assert queue.groups() == [("Flex", "x"), ("Flex", "y")]
    assert [each.request.job_id for each in queue.of_group("Flex", "x")] == ["a"]

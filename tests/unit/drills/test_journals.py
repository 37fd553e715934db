"""What the journals say of a drill: killed, alive, launched twice."""

from typing import Any

from streams.drills.journals import Journals


def _line(what: str, task: str, **more: Any) -> dict[str, Any]:
    return {"at_ms": 1, "what": what, "task_id": task, "container_id": f"c-{task}", **more}


def _journals(*agents: dict[str, Any], master: tuple[dict[str, Any], ...] = ()) -> Journals:
    return Journals(master, tuple({"agent": "agent1", **line} for line in agents))


def test_a_kill_is_seen_with_the_task_that_it_names() -> None:
    found = _journals(master=(_line("LAUNCH", "a"), _line("KILL", "a"))).none_killed()
    assert not found.is_so
    assert "1 KILL" in found.text
    assert "(a)" in found.text
    assert _journals(master=(_line("LAUNCH", "a"),)).none_killed().is_so


def test_a_task_is_alive_until_its_own_process_has_ended() -> None:
    journals = _journals(_line("STARTED", "a"), _line("STARTED", "b"), _line("ENDED", "a"))
    assert journals.alive == {"b"}
    assert journals.still_alive(["b"]).is_so
    gone = journals.still_alive(["a", "b"])
    assert not gone.is_so
    assert gone.text == "1 of 2 run on in the same process (a)"


def test_launched_and_started_twice_are_both_seen() -> None:
    twice = (_line("LAUNCH", "a"), _line("LAUNCH", "a"))
    assert not _journals(master=twice).launched_once().is_so
    assert not _journals(_line("STARTED", "a"), _line("STARTED", "a")).launched_once().is_so
    once = _journals(_line("STARTED", "a"), master=(_line("LAUNCH", "a"),)).launched_once()
    assert once.is_so


def test_the_process_of_a_task_is_that_of_its_last_start() -> None:
    journals = _journals(_line("STARTED", "a", pid=6), _line("STARTED", "a", pid=7))
    assert journals.process_of("a") == 7


def test_the_first_kill_of_each_task_counts_and_repeats_do_not() -> None:
    kills = (_line("KILL", "a"), _line("KILL", "b") | {"at_ms": 3}, _line("KILL", "a"))
    assert _journals(master=kills).first_kills() == [1, 3]

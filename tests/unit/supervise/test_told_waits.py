"""Who waits for long is told what for; who hears other words is not."""

import io
import threading

from rich.console import Console

from streams.told_waits import Waits, told_waits


def test_a_silent_wait_tells_what_it_waits_for() -> None:
    told, was_asked = io.StringIO(), threading.Event()

    def waited_for() -> str:
        was_asked.set()
        return "kafka, [dev-cluster]"

    with told_waits(Console(file=told), waited_for, silence_s=0.01):
        assert was_asked.wait(30)
    assert "waiting for kafka, [dev-cluster] … 0 s\n" in told.getvalue()


def test_a_wait_of_nothing_is_not_told() -> None:
    told, was_asked = io.StringIO(), threading.Event()

    def nothing() -> str:
        was_asked.set()
        return ""

    with told_waits(Console(file=told), nothing, silence_s=0.01):
        assert was_asked.wait(30)
    assert told.getvalue() == ""


def test_a_word_of_others_begins_the_silence_anew() -> None:
    waits = Waits()
    waits._heard_s -= 100  # Long ago.
    assert waits.silent_s >= 100
    waits.heard()
    assert waits.silent_s < 100

"""`told_waits`: whoever waits is told what for, and for how long.

The one thing to know: it tells by plain lines and not by a picture that changes, so it disturbs
no other output, at a terminal or without one.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

from streams.clock import elapsed_s

SILENCE_S: Final = 2.0
"""After so long without a word people begin to wonder."""
AGAIN_S: Final = 5.0


class Waits:
    """One wait, or several behind each other, and how long nothing was heard in it."""

    def __init__(self) -> None:
        self._heard_s = elapsed_s()

    def heard(self) -> None:
        """Something was said by others, so the silence begins anew."""
        self._heard_s = elapsed_s()

    @property
    def silent_s(self) -> float:
        """For how long nothing was heard."""
        return elapsed_s() - self._heard_s


@contextmanager
def told_waits(
    console: Console, waited_for: Callable[[], str], silence_s: float = SILENCE_S
) -> Iterator[Waits]:
    """While inside, the console tells what is waited for, as soon as nobody else says a word.

    `waited_for` is asked in another thread; where it answers nothing, nothing is told.
    """
    waits, is_over = Waits(), threading.Event()

    def tell() -> None:
        told_at_s = 0.0
        while not is_over.wait(silence_s / 8):
            silent_s = waits.silent_s
            if silent_s < told_at_s:  # Something was heard: the count begins anew.
                told_at_s = 0.0
            if silent_s < (told_at_s + AGAIN_S if told_at_s else silence_s):
                continue
            if text := waited_for():
                console.print(
                    f"          waiting for {text} … {silent_s:.0f} s", style="dim", markup=False
                )
            told_at_s = silent_s

    thread = threading.Thread(target=tell, name="told-waits", daemon=True)
    thread.start()
    try:
        yield waits
    finally:
        is_over.set()
        thread.join()

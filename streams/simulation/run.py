"""One run of one script, and nothing of it left behind.

The one thing to know: a run is a function of its script. Two runs have the same log to the byte,
in any process and under any hash seed.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from streams.simulation.deeds import schedule
from streams.simulation.loop import NothingLeft, VirtualLoop
from streams.simulation.script import Script
from streams.simulation.world import Outcome, World


def run_script(script: Script, tell: Callable[[World], None] = lambda _: None) -> Outcome:
    """What the script's run came to; ``tell`` is handed the world at its end."""
    loop = VirtualLoop()
    was_collecting = gc.isenabled()
    gc.disable()  # Cheaper, and finalizers run where the code says.
    try:
        world = World(loop, script)
        loop.set_exception_handler(lambda _, context: _unhandled(world, context))
        with _logs_to(world):
            try:
                loop.run_until_complete(world.run(schedule))
            except NothingLeft as error:
                world.witness.violated("I8", str(error))
            outcome = world.outcome()
            tell(world)
            _end(loop, world)
        return outcome
    finally:
        loop.close()
        if was_collecting:
            gc.enable()


def _end(loop: VirtualLoop, world: World) -> None:
    """End every process, so that no coroutine is left."""
    world.is_over = True
    for slot in world.slots:
        slot.kill()
    tasks = asyncio.all_tasks(loop)
    for each in tasks:
        each.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))


def _unhandled(world: World, context: dict[str, Any]) -> None:
    if not world.is_over:
        world.witness.violated("process", f"{context.get('message')} {context.get('exception')!r}")


@contextmanager
def _logs_to(world: World) -> Iterator[None]:
    """Hand what the cell logs to the witness instead of printing it."""

    def collect(_: object, level: str, event: MutableMapping[str, Any]) -> str:
        if level == "critical":
            world.witness.told(event)
        world.note(f"{level} {event.get('event')} {event.get('why', '')}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[collect], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)

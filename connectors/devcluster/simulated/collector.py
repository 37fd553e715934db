"""The garbage collector in a process that gets thousands of tasks a second.

The one thing to know: tasks are not garbage, and die without a collector. Looking through each
once, while they came, took 8 % of the processor, in pauses of up to 57 ms.
"""

import gc

# So many objects in less than a second are tasks: requests leave some hundreds each.
_MANY = 20_000
_SOON_SECONDS = 1.0
# It looks by itself only where nobody calls ``look``; and at everything hardly ever.
_THRESHOLDS = (1_000_000, 50, 1_000)


class Collector:
    """Decides when to look for garbage, and among what."""

    def __init__(self) -> None:
        self._looked_at = 0.0
        # What is here will stay: only what comes later may be garbage.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)

    def look(self, now: float) -> None:
        """Look through what has come, if that is much; what came at once is taken for tasks."""
        if gc.get_count()[0] < _MANY:
            return
        if now - self._looked_at < _SOON_SECONDS:
            gc.freeze()
        else:
            gc.collect(0)
        self._looked_at = now

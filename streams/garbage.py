"""How often this process looks for garbage in cycles: seldom, for it makes next to none.

The one thing to know: values of the vocabulary hold no cycles and are not looked at at all
(`scheduler.model.base.Ours`). What is left are the containers, which live as long as the process:
a cell of 100,000 tasks has hundreds of thousands of them, and each full look at them takes a tenth
of a second in which nothing is folded.
"""

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 20, 100)
"""Python's own are 700, 10, 10. Measured on rounds of placement over 1,000 and 10,000 hosts: 16 and
8 % more tasks a second."""


def settle() -> None:
    """Look once, leave alone what is there now, and look seldom from here on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)

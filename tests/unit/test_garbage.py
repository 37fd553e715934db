"""The garbage collector of our processes: seldom, and never over everything that there is.

In a process of its own: what is frozen stays so.
"""

import subprocess
import sys

PROGRAM = """
import gc
from streams.garbage import LOOKS, THRESHOLDS, not_looking, settle

settle()
settle()
assert gc.get_threshold() == THRESHOLDS
assert gc.callbacks.count(LOOKS.heard) == 1, "each look is counted once"
began = gc.get_freeze_count()
kept = [[number] for number in range(300_000)]
assert LOOKS.count >= 5, LOOKS.count
assert gc.get_freeze_count() - began > 200_000, "what lives long is looked at once"
assert len(gc.get_objects()) < THRESHOLDS[0] + 1_000, "and the next look is at what is new"
assert 0 < LOOKS.longest_s <= LOOKS.total_s

class Knot:
    freed = 0

    def __del__(self):
        Knot.freed += 1

for _ in range(120_000):
    knot = Knot()
    knot.itself = knot
assert Knot.freed > 50_000, "what is in a cycle and dead is freed"

looks, frozen = LOOKS.count, gc.get_freeze_count()
with not_looking():
    more = [[number] for number in range(300_000)]
assert LOOKS.count == looks, "nothing is looked at meanwhile"
assert gc.get_freeze_count() - frozen >= 300_000, "and what came is not looked at later"
assert gc.isenabled()
for _ in range(120_000):
    knot = Knot()
    knot.itself = knot
assert LOOKS.count > looks, "afterwards it goes on"
"""


def test_each_look_is_at_what_came_since_the_last() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr

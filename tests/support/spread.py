"""How tests are spread over several processes (`-n NUMBER`), and what keeps them apart there.

The one thing to know: tests of one scope run in one process, in the order in which they stand. A
scope is a file; but what shares costly parts is one scope, and a contract file has one for each
of the two masters. Scopes are handed out in the order of their files, but the last process begins
with those that compute while the others begin with those that wait: so they are seldom in each
other's way, and those that wait, which are long, do not come last.
"""

import os
import re
from collections.abc import Collection

import pytest
from xdist.scheduler import LoadScopeScheduling

from streams.supervise.ports import BLOCKS_FROM, BLOCKS_TO, BLOCKS_VARIABLE

COMPUTING = ("tests/unit/", "tests/properties/", "tests/simulation/", "tests/golden/")
"""Folders whose tests compute; all others wait, most of the time, for what they started."""
TOGETHER = ("tests/architecture/", "tests/console/", "tests/integration/cli/")
"""Folders that are one scope: they share parsed files, one world, and one `flumina up`."""
ONE_FOR_BOTH = frozenset({"tests/contract/mesos_master/test_random_stories.py"})
"""Files that compare what one master told with what the other did."""
_MASTER = re.compile(r"\[(dev|real)\b")


def scope_of(test: str) -> str:
    """The scope of a test, by its id."""
    path, _, name = test.partition("::")
    for folder in TOGETHER:
        if path.startswith(folder):
            return folder
    found = _MASTER.search(name)
    if found is None or path in ONE_FOR_BOTH:
        return path
    return f"{path} on {found[1]}"


def next_scope(scopes: Collection[str], *, is_computing: bool) -> str:
    """Which scope comes next in a process that begins with what computes, or with what waits."""
    wanted = (scope for scope in scopes if scope.startswith(COMPUTING) == is_computing)
    return next(wanted, "") or next(iter(scopes))


def spread(config: pytest.Config, log: object) -> object:
    """What hands out whole scopes, in the order in which they were collected."""
    # Its own order puts the scopes with the most tests first, and those are short ones.
    config.option.loadscopereorder = False
    scheduling = LoadScopeScheduling(config, log)
    scheduling._split_scope = scope_of
    give = scheduling._assign_work_unit

    def give_of_its_kind(node: object) -> None:
        waiting = scheduling.workqueue
        scope = next_scope(waiting, is_computing=node is scheduling.nodes[-1])
        waiting.move_to_end(scope, last=False)
        give(node)

    scheduling._assign_work_unit = give_of_its_kind
    return scheduling


def give_own_ports() -> None:
    """Give this process a part of the ports, if it is one of several that test."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if not worker.startswith("gw") or BLOCKS_VARIABLE in os.environ:
        return
    size = (BLOCKS_TO - BLOCKS_FROM) // count
    # A process that took the place of one that crashed has a higher number, and its ports.
    first = BLOCKS_FROM + int(worker.removeprefix("gw")) % count * size
    os.environ[BLOCKS_VARIABLE] = f"{first}-{first + size}"

"""How tests are spread over several processes (`-n NUMBER`), and what keeps them apart there.

The one thing to know: tests of one scope run in one process, in the order in which they stand. A
scope is a file; but what shares costly parts is one scope, and a contract file has one for each
of the two masters. Scopes are handed out in the order of their files: those that wait come
before those that compute, so that at the end no process waits long for another.
"""

import os
import re

import pytest
from xdist.scheduler import LoadScopeScheduling

from streams.supervise.ports import BLOCKS_FROM, BLOCKS_TO, BLOCKS_VARIABLE

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


def spread(config: pytest.Config, log: object) -> object:
    """What hands out whole scopes, in the order in which they were collected."""
    # Its own order puts the scopes with the most tests first, and those are short ones.
    config.option.loadscopereorder = False
    scheduling = LoadScopeScheduling(config, log)
    scheduling._split_scope = scope_of
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

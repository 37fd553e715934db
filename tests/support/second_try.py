"""Which tests CI tries a second time, and how many may need it (`--reruns 1`, only in `.ci/run`).

The one thing to know: a second try is for what shares the machine with others, a test that starts
processes, and it is never silent: each is named with its first error, and more than a few of them
in one run fail the run. Without `--reruns`, as in `./flumina test`, nothing is tried twice.
"""

from typing import Final

import pytest

SECOND_TRIES_MAX: Final = 3
"""Of some 12,600 tests. One in a run is a machine that stood still; many are a defect."""


def only_who_starts_processes(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have tests that start nothing fail at their first try, whatever `--reruns` says."""
    if config.getoption("reruns", default=None):
        for item in items:
            if not item.get_closest_marker("integration"):
                item.add_marker(pytest.mark.flaky(reruns=0))


def fail_if_many(session: pytest.Session) -> None:
    """Fail a run in which more tests than `SECOND_TRIES_MAX` needed a second try."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # A process of xdist's, which sees a part of the tests.
        return
    needed = sorted({report.nodeid for report in reporter.stats.get("rerun", ())})
    if len(needed) > SECOND_TRIES_MAX and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(
            f"\n{len(needed)} tests needed a second try; more than {SECOND_TRIES_MAX} are a defect:"
        )
        for each in needed:
            reporter.write_line(f"  {each}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

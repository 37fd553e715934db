"""Expand, migrate, contract: a new version is written when nobody lives who needs the old one.

The next release is a whole build that renames a field of the cell log and so raises the version.
Its leader writes the old version while this build's api follows, the new one once that has gone,
and then this build refuses the log and names both versions.
"""

from pathlib import Path

import pytest

from scheduler.model.codec import RECORD_VERSION
from scheduler.model.task import Started
from streams.drills.newer_records import first_newer
from streams.drills.next_release import make_next_release
from tests.integration.upgrade.builds import ROOT, BuiltApi, MixedWorld
from tests.processes import wait_until
from tests.support.world import service_of

pytestmark = pytest.mark.integration


def test_the_new_version_waits_for_its_last_old_reader_and_is_refused_by_it_later(
    world: MixedWorld, tmp_path: Path
) -> None:
    following = make_next_release(tmp_path / "next")
    topic = f"{world.prefix}cell"
    api = BuiltApi(world, ROOT)
    try:
        # Expand: the next release leads, an api of this one follows and must not halt.
        world.start_cell("cell-0")
        api.until_ready().until_healthy()
        world.kill_cell("cell-0")
        world.build = following
        world.start_cell("cell-1")
        world.submit("service", service_of(2, "sleep 1000"))
        world.until(lambda: world.are("service", Started, 2), "the service runs")
        assert world.machine.state.leader == "cell-1"
        assert first_newer(world.kafka, topic, 0) is None
        assert api.ask("GET", "/health").status == 200
        # Migrate: the last reader of the old version goes, and says so.
        api.stop()
        api.close()
        wait_until(lambda: first_newer(world.kafka, topic, 0) is not None, "the new version", 90)
        found = first_newer(world.kafka, topic, 0)
        assert found is not None
        assert found.version == RECORD_VERSION + 1
        # Contract: a downgrade is refused, and the refusal says what to run.
        api = BuiltApi(world, ROOT)
        api.until_ready()
        halt = api.until(
            "/health", lambda answer: "has version" in answer.body.decode(), "it halts"
        ).body.decode()
        assert f"has version {RECORD_VERSION + 1}" in halt
        assert f"knows versions up to {RECORD_VERSION}; run the build that wrote it" in halt
        api.close()
        api = BuiltApi(world, following)
        api.until_ready().until_healthy()
        tasks = api.ask("GET", "/api/v3/tasks?jobIds=service").json["items"]
        assert len(tasks) == 2
    finally:
        api.close()

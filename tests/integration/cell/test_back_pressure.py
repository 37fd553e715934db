"""A halted cell: others get the hosts, requests are turned away, the log does not grow; and back.

The witness of the offers is the master's own account of what it holds out to the framework.
"""

import time
import urllib.request
from pathlib import Path

import orjson
import pytest

from scheduler.model.codec import digest_of
from scheduler.model.foreign_records import encode_skip_record
from scheduler.model.task import Started
from tests.support.api_process import ApiProcess
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

POISON = b'{"version":99,"epoch":1,"at_ms":1,"events":[]}'


def _offered_cpus(world: World) -> float:
    """How many cpus the master holds out to the cell right now."""
    with urllib.request.urlopen(f"http://{world.master}/state", timeout=5) as answer:
        state = orjson.loads(answer.read())
    (framework,) = state["frameworks"]
    return float(framework["offered_resources"]["cpus"])


def _until_offered(world: World, *, is_offered: bool) -> None:
    deadline = time.monotonic() + 40
    while (_offered_cpus(world) > 0) is not is_offered:
        assert time.monotonic() < deadline, f"offered: {_offered_cpus(world)} cpus"
        time.sleep(0.1)


def test_a_halted_cell_gives_its_offers_back_and_takes_no_requests_until_it_goes_on(
    world: World,
    kafka: str,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLUMINA_BEHIND_S", "1")
    monkeypatch.setenv("FLUMINA_STORE", (tmp_path / "store").as_uri())
    world.start_cell("cell-0")
    api = ApiProcess(kafka, topic_prefix, tmp_path).until_ready()
    try:
        world.submit("service", service_of(1, "sleep 1000"))
        world.until(lambda: world.are("service", Started, 1), "the service runs")
        _until_offered(world, is_offered=True)
        alive = world.alive()
        poison = world.publish("cell", "", POISON)
        _until_offered(world, is_offered=False)
        # Halted for longer than a second by now: what comes stays in its topic.
        world.submit("later", batch_of(1, "true"))
        refused = api.ask("POST", "/api/v3/jobs?jobId=refused", batch_of(1, "true"))
        assert (refused.status, "retry-after" in refused.headers) == (503, True)
        assert "halted" in refused.json["message"]
        time_of_a_poll_s = 2.5
        deadline = time.monotonic() + time_of_a_poll_s
        while time.monotonic() < deadline:
            assert not any(b'"later"' in each for each in world.all_of("cell"))
        assert _offered_cpus(world) == 0
        skip = encode_skip_record(poison, digest_of(POISON), "ann", "a stranger's record")
        world.publish("commands", "ann", skip)
        world.passed_over = {poison}
        world.until(lambda: world.is_normal("later"), "the job that came meanwhile")
        _until_offered(world, is_offered=True)
        assert world.alive() == alive
        assert not world.journal("KILL")
        world.check_sound()
    finally:
        api.close()

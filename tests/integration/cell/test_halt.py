"""A record that nobody can read: the cell halts, tasks run on, an operator's skip lets it go on."""

import pytest

from scheduler.model.codec import digest_of
from scheduler.model.foreign_records import encode_skip_record
from scheduler.model.task import Started
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

POISON = b'{"version":99,"epoch":1,"at_ms":1,"events":[]}'


def test_a_poisoned_cell_log_halts_effects_until_an_operator_skips_the_record(
    world: World,
) -> None:
    world.start_cell("cell-0")
    world.submit("service", service_of(2, "sleep 1000"))
    world.until(lambda: world.are("service", Started, 2), "the service runs")
    alive = world.alive()
    poison = world.publish("cell", "", POISON)
    world.submit("while-halted", batch_of(1, "true"))
    # The record of the job is copied, and nothing is done about it. Another leader changes
    # nothing: it meets the same record.
    world.kill_cell("cell-0")
    world.start_cell("cell-1")
    launched = len(world.journal("LAUNCH"))
    world.publish(
        "commands",
        "ann",
        encode_skip_record(poison, digest_of(POISON), "ann", "a stranger's record, see the test"),
    )
    world.passed_over = {poison}
    world.until(lambda: world.is_normal("while-halted"), "the job that came meanwhile")
    assert world.alive() == alive
    assert len(world.journal("LAUNCH")) == launched + 1
    assert not world.journal("KILL")
    world.check_sound()

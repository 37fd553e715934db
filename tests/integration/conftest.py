"""What tests of several folders here share: the api process of the cell that a test looks at."""

from collections.abc import Iterator

import pytest

from tests.support.api_process import ApiProcess
from tests.support.world import World


@pytest.fixture
def api(world: World) -> Iterator[ApiProcess]:
    """The api of the test's own ``world``, which has a cell by then."""
    process = ApiProcess(world.kafka, world.prefix, world.home)
    try:
        process.until_ready().until_healthy()
        yield process
    finally:
        process.close()

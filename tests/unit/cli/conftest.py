"""Commands that run inside the tests' process set up logging as theirs; it is put back after each.

Without this a later test's log lines would go to a file of pytest's that is closed by then.
"""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_is_put_back() -> Iterator[None]:
    """Structlog as it was before anybody configured it."""
    yield
    structlog.reset_defaults()

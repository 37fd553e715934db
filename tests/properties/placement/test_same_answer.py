"""The same hosts and the same queue have the same answer, whatever Python's hash seed is.

Random queues are placed by two processes that hash strings differently; all that they answer,
reasons and refusals included, must be equal byte by byte.
"""

import pytest

from tests.support.hash_seeds import output_with_seed


@pytest.mark.integration  # It starts processes.
def test_two_hash_seeds_give_the_same_bytes() -> None:
    one, other = (output_with_seed(seed, "tests.support.place_any", "17") for seed in ("1", "4242"))
    assert one == other
    assert b'"host_id"' in one
    assert b'"refused"' in one

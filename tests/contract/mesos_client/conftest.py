"""The promises are no test module, but they fail like one: with the values compared."""

import pytest

pytest.register_assert_rewrite("tests.contract.mesos_client.promises")

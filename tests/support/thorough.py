"""The variable that asks the quick tests for more than a person waits for.

The one thing to know: it stands alone, for who sets it must not import Hypothesis before pytest.
"""

THOROUGH = "FLUMINA_TESTS_THOROUGH"
"""Set where mutants are tried: quick tests look at each record then, and draw more examples."""

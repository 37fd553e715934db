"""By which names a server may be called: with a port or without, in any case, and no others."""

import pytest

from connectors.http.host_names import is_called

NAMES = frozenset(("127.0.0.1", "[::1]", "localhost"))


@pytest.mark.parametrize(
    ("given", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:7100", True),
        ("LocalHost:7100", True),
        ("[::1]:7100", True),
        ("[::1]", True),
        ("", False),
        ("evil.example.org", False),
        ("evil.example.org:7100", False),
        ("localhost.evil.example.org", False),
        ("localhost:evil", False),
        ("127.0.0.1:7100:7100", False),
    ],
)
def test_a_page_under_another_name_is_not_answered(given: str, is_ours: bool) -> None:
    assert is_called(given, NAMES) is is_ours
    assert is_called(given, frozenset()), "who has no names of its own answers to any"

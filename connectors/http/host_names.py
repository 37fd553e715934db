"""By which names a server may be called: what keeps web pages away from servers of this computer.

The one thing to know: a page whose own name leads to 127.0.0.1 reaches what listens there, with
the browser's hands. Its requests say that name, so a server that knows its own refuses them.
"""

from collections.abc import Collection


def is_called(given: str, names: Collection[str]) -> bool:
    """Whether a request whose ``Host`` is this means us; it does where we have no ``names``."""
    name, _, port = given.rpartition(":")
    return not names or (name if port.isdecimal() else given).lower() in names

"""The key ring that the settings of this process name, opened when it is asked for first.

The one thing to know: a process that meets no secret never loads the ciphers.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from connectors.web.secret_gate import SecretGate
from projections.masking import Masker
from streams.settings import Settings

if TYPE_CHECKING:
    from connectors.secrets.ring import KeyRing


def ring_opener(settings: Settings) -> "Callable[[], KeyRing | None]":
    """A function that answers the ring, the same each time; None where the settings name none."""

    @cache
    def opened() -> "KeyRing | None":
        if not settings.secret_keys:
            return None
        from connectors.secrets.opening import open_ring  # noqa: PLC0415 - ciphers, on demand

        return open_ring(settings.secret_keys, settings.secret_provider)

    return opened


def gate_of(settings: Settings) -> SecretGate:
    """What seals secrets at the gateway, as the settings say."""
    masker = Masker(settings.masked_keys)
    return SecretGate(ring_opener(settings), settings.secret_detection, masker)

"""Opening a key ring by what the settings say of it.

The one thing to know: opening touches nothing; what cannot be used says so at the first call.
"""

from pathlib import Path

from connectors.objects.opening import open_store
from connectors.secrets.providers import FileProvider, KeyProvider, KmsProvider
from connectors.secrets.ring import KeyRing


def provider_of(text: str) -> KeyProvider:
    """The provider that a setting names: ``file:PATH`` or ``kms:KEY``; raises `ValueError`."""
    kind, _, word = text.partition(":")
    if kind == "file" and word.startswith("/"):
        return FileProvider(Path(word))
    if kind == "kms" and word:
        return KmsProvider(word)
    raise ValueError("file:/PATH of a key file, or kms: and a key's id, ARN or alias, is wanted")


def open_ring(store_url: str, provider: str) -> KeyRing | None:
    """The ring in this store; None where nothing is set. Raises `ValueError`."""
    if not store_url or not provider:
        return None
    return KeyRing(open_store(store_url), provider_of(provider))

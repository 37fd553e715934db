"""The store of objects that the settings mean: snapshots, archive, output of tasks, pages.

The one thing to know: everybody opens it here, so that an installation has one store.
"""

from connectors.objects.opening import open_store
from connectors.ports import ObjectStore
from streams.settings import Settings, store_url_of


def store_of(settings: Settings) -> ObjectStore:
    """The store; the folder `store` of the data directory where none is set."""
    return open_store(store_url_of(settings))

"""What is folded for alerts, kept in the store, so that a restart goes on where it was.

The one thing to know: what is kept follows from the log up to an offset, so it does not matter
which process wrote it. It is written once a minute under the offset's name; the last few stay.
"""

from typing import Final

import msgspec
import structlog

from connectors.ports import NoSuchObject, ObjectExists, ObjectStore, StoreFailed
from projections.alerts.whole import FORMAT, KeptWhole
from scheduler.model.reading.bad_bytes import BAD_BYTES

logger = structlog.get_logger(__name__)

KEPT: Final = 3
_FORMAT_IN: Final = msgspec.msgpack.Decoder(KeptWhole)


class Keeping:
    """The states of one cell in a store; calls block, for a thread."""

    def __init__(self, store: ObjectStore, cell: str) -> None:
        self._store = store
        self._prefix = f"alerts/{cell}/"
        self._last = ""

    def newest(self) -> KeptWhole | None:
        """The newest that can be read; None where there is none."""
        try:
            keys = [each.key for each in self._store.facts(self._prefix)]
        except StoreFailed as error:
            logger.warning("what was kept of alerts cannot be read", why=str(error))
            return None
        for key in sorted(keys, reverse=True):
            try:
                found = _FORMAT_IN.decode(self._store.get(key))
            except (NoSuchObject, StoreFailed, *BAD_BYTES) as error:
                logger.warning("a kept state of alerts is passed over", key=key, why=str(error))
                continue
            if found.format == FORMAT:
                return found
        return None

    def keep(self, data: bytes, at_ms: int) -> None:
        """Write a state, and forget old ones; raises `StoreFailed`."""
        key = f"{self._prefix}{at_ms:015d}"
        if key == self._last:
            return
        try:
            self._store.put_new(key, data)
        except ObjectExists:
            logger.debug("another process has kept it", key=key)
        self._last = key
        keys = sorted(each.key for each in self._store.facts(self._prefix))
        for old in keys[:-KEPT]:
            self._store.delete(old)

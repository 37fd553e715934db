"""Records of host logs by time, from the archive and from Kafka behind it, for a histogram.

The one thing to know: it reads as bundles do (`topic_slices`), of one topic and with a smaller
limit, and what it leaves out it names.
"""

from typing import Final

from connectors.archive.archive import Archive
from streams.travel.glancing import TOPIC, LineMessages
from streams.travel.topic_slices import TopicSlices

BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one partition: some 300,000 lines, which is more than are counted."""


class HostLines:
    """Reads the topic of host logs."""

    def __init__(self, archive: Archive, bootstrap: str | None, prefix: str) -> None:
        self._place = (archive, bootstrap, prefix)

    async def messages(self, first_ms: int, end_ms: int) -> tuple[list[LineMessages], list[str]]:
        """Records made between these times, in the order of time, and what could not be read."""
        archive, bootstrap, prefix = self._place
        slices = TopicSlices(archive, bootstrap, prefix, topics=(TOPIC,), bytes_max=BYTES_MAX)
        found = await slices.slices(first_ms, end_ms)
        messages = [
            LineMessages(partition, each.offset, each.at_ms, each.key, each.value or b"")
            for (_, partition), records in found.items()
            for each in records
        ]
        messages.sort(key=lambda each: (each.at_ms, each.partition, each.offset))
        return messages, slices.missing

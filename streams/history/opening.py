"""Opening a cell's whole history, as the settings say where its parts are.

The one thing to know: this is the way in for everybody who reads all of a log. What it gives obeys
`streams.history.reading.LogReader`.
"""

from connectors.archive.archive import Archive
from streams.errors import OperatorError
from streams.history.archived_log import ArchivedLog
from streams.history.joined_log import AnotherLog, JoinedLog, generation_in_kafka, generations_of
from streams.history.kafka_log import KafkaLog
from streams.history.reading import LogReader
from streams.settings import Settings
from streams.store import store_of


def open_archive(settings: Settings) -> Archive:
    """The archive in the store that the settings mean."""
    return Archive(store_of(settings))


async def open_log(settings: Settings, archive: Archive | None = None) -> LogReader:
    """The whole log of the cell: archive and Kafka joined, or the archive alone without a Kafka.

    Raises `OperatorError` where there is neither, or where they are of different logs.
    """
    archive = archive or open_archive(settings)
    if settings.kafka_brokers is None:
        return await open_archived(settings, archive)
    kafka = KafkaLog(settings.kafka_brokers, settings.topic_prefix + "cell", settings.partition)
    try:
        generation = await generation_in_kafka(archive, settings.cell, kafka)
    except AnotherLog as error:
        await kafka.close()
        raise OperatorError(
            "Kafka's log and the archive do not belong together.", f"{error}.", "Nothing was read."
        ) from error
    return JoinedLog(ArchivedLog(archive, settings.cell, generation), kafka)


async def open_archived(
    settings: Settings, archive: Archive, generation: str | None = None
) -> ArchivedLog:
    """One generation of the cell from the archive alone; the only one where none is named."""
    known = generations_of(archive, settings.cell)
    if generation is None and len(known) == 1:
        generation = known[0]
    if generation not in known:
        raise OperatorError(
            f"The archive in {archive.store.url} has no such generation of cell {settings.cell}: "
            f"{generation or 'none was named'}.",
            f"It has {', '.join(known)}." if known else "Nothing of this cell was archived there.",
            "Name one of them, or look at FLUMINA_STORE and FLUMINA_CELL.",
        )
    return ArchivedLog(archive, settings.cell, generation)

"""What commands that read the store say when it does not answer, or Kafka does not.

The one thing to know: a store's and an archive's own errors say what to do; here they become the
three parts that every error of the command line has.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError

from connectors.archive.archive import DamagedRange, RangeDiffers
from connectors.ports import NoSuchObject, StoreFailed
from projections.snapshot.format import BadSnapshot
from streams.errors import OperatorError
from streams.history.reading import LogHole
from streams.snapshots.loading import CannotFold


@contextmanager
def told_by_sentences() -> Iterator[None]:
    """Turns what store, archive and Kafka raise into an `OperatorError`."""
    try:
        yield
    except StoreFailed as error:
        why = f"{str(error).rstrip('.')}."
        raise OperatorError("The store cannot be read.", why, "Then try again.") from error
    except (DamagedRange, RangeDiffers) as error:
        raise OperatorError(
            "An archived range is not what it should be.",
            f"{str(error).rstrip('.')}.",
            "`flumina archive verify` looks at all of them.",
        ) from error
    except NoSuchObject as error:
        raise OperatorError(
            f"The store has no {error} any more.",
            "A range was put together with others, or removed, since it was listed.",
            "Try again.",
        ) from error
    except (CannotFold, BadSnapshot) as error:
        raise OperatorError(
            "The state cannot be made.",
            f"{str(error).rstrip('.')}.",
            "Nothing was written; docs/recovery.md says what to do in each case.",
        ) from error
    except LogHole as hole:
        raise OperatorError(
            f"The log has a gap: {hole}.",
            "Records were dropped by Kafka before they were archived, or a range was removed.",
            "`flumina archive verify` lists the gaps.",
        ) from hole
    except (KafkaError, TimeoutError) as error:
        raise OperatorError(
            f"Kafka does not answer: {error or type(error).__name__}.",
            "It is away or overloaded.",
            "Look at `flumina doctor`, and try again.",
        ) from error

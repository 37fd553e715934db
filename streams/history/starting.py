"""Where the fold of the archiving process begins: at a snapshot, or at the log's beginning.

The one thing to know: a snapshot serves that lies at or below the first row that is missing in the
archive; without one the log is folded from its beginning, out of the archive, and nothing is
archived again.
"""

from connectors.ports import ObjectStore
from projections.cell_view import CellView
from streams.cell.follower import Follower
from streams.history.folding import NotedFold
from streams.history.historian import CellPlace


def follower_from_snapshot(
    store: ObjectStore, place: CellPlace, generation: str, offset: int
) -> Follower:
    """A follower of this generation that begins at this offset or below; blocks, for a thread."""
    return Follower(place.topic, place.partition, NotedFold)

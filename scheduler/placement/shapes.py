"""Keys of hosts for requests of one shape, kept and brought up to date from the log of changes.

The one thing to know: requests of a shape ask for the same and differ by job only, so they have the
same keys, and between two of them only a few hosts change. Kept is what was asked for twice; what
depends on the job, the clock or on functions of others is never kept.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from scheduler.model.resources import Need
from scheduler.placement.columns import SUM_SHIFT
from scheduler.placement.devices import is_model_right
from scheduler.placement.index import Index
from scheduler.placement.plain import POINT_SHIFT, scores_of
from scheduler.placement.prepared import NOT_ASKED, Prepared
from scheduler.placement.request import Request

Array = npt.NDArray[np.int64]

_KEYS_MAX: Final = 12_000_000
"""Numbers kept for all shapes together: 96 MB, over a thousand shapes of 10,000 hosts."""
_SHAPES_MAX: Final = 16_384
_ROWS_MAX: Final = 24
"""With more changed rows than this a fresh pass over all columns costs less."""


class Shape:
    """What requests that differ by job only have in common."""

    __slots__ = ("asked", "keys", "place", "version")

    def __init__(self) -> None:
        self.asked = 0
        self.keys: Array | None = None
        self.place = -1
        self.version = (-1, -1)


class Shapes:
    """All shapes that were asked for lately."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._shapes: dict[tuple[object, ...], Shape] = {}
        self._kept: dict[Shape, None] = {}

    def shape_of(self, prepared: Prepared) -> Shape | None:
        """The shape of a request; None: its keys depend on more than can be kept."""
        request = prepared.request
        if not prepared.is_keepable or self._index.demands or request.need.addresses:
            return None
        return self._shape(request.need, request.image, prepared.groups, prepared.manner_number)

    def is_first(self, request: Request, manner_number: int) -> bool:
        """Whether nobody has asked for this shape yet; asked about plain requests only."""
        shape = self._shape(request.need, "", (), manner_number)
        shape.asked += 1
        return shape.asked < 2

    def _shape(self, need: Need, image: str, groups: tuple[str, ...], manner_number: int) -> Shape:
        key = (need, image, groups, manner_number)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _SHAPES_MAX:
                self._forget(next(iter(self._shapes)))
            shape = self._shapes[key] = Shape()
        return shape

    def keys(self, prepared: Prepared) -> Array | None:
        """A key for each row, for the caller to use up; None where no row fits."""
        index = self._index
        columns = index.columns
        if prepared.shape is NOT_ASKED:
            prepared.shape = self.shape_of(prepared)
        shape = prepared.shape
        if isinstance(shape, Shape):
            shape.asked += 1
        if not isinstance(shape, Shape) or shape.asked < 2:
            fits = index.fits(prepared)
            return index.keys(prepared, fits) if fits.any() else None
        version = (columns.version, columns.rank_version)
        rows = None
        if shape.keys is not None and shape.version == version:
            rows = columns.changed.since(shape.place, _ROWS_MAX)
        if rows is None:
            shape.keys = index.keys(prepared, index.fits(prepared))
            self._keep(shape)
        else:
            assert shape.keys is not None
            self._renew(shape.keys, rows, prepared)
        shape.version = version
        shape.place = columns.changed.end
        keys = shape.keys
        return keys.copy() if len(keys) and keys.item(int(keys.argmax())) >= 0 else None

    def _renew(self, keys: Array, rows: Sequence[int], prepared: Prepared) -> None:
        """Bring the keys of these rows up to date."""
        columns = self._index.columns
        even = columns.even() if prepared.is_packed_alone and prepared.is_plain else None
        if even is None or columns.has_launch_guards:
            for row in rows:
                keys[row] = self._key(row, prepared)
            return
        need, scores = prepared.request.need, scores_of(prepared, even)
        cpu, memory = max(0, need.cpu_milli), need.memory_mib
        asked = need.cpu_milli * even.cpu_unit + memory * even.memory_unit
        allowed = self._index.allowed(prepared)
        for row in rows:
            if (
                columns.cpu_open.item(row) < cpu
                or (memory > 0 and columns.memory_free.item(row) < memory)
                or (allowed is not None and not allowed[row])
            ):
                keys[row] = -1
                continue
            points = (columns.packed.item(row) + asked) >> POINT_SHIFT
            total = scores.fixed + points * scores.weight
            keys[row] = total << SUM_SHIFT | columns.standing.item(row)

    def _key(self, row: int, prepared: Prepared) -> int:
        index = self._index
        if index.columns.closed.item(row):
            return -1
        allowed = index.allowed(prepared)
        if allowed is not None and not allowed[row]:
            return -1
        slot = index.columns.at(row)
        if prepared.asks_devices and not is_model_right(prepared.request.need, slot.gpu_model):
            return -1
        return index.key(slot, prepared)

    def _keep(self, shape: Shape) -> None:
        self._kept.pop(shape, None)
        self._kept[shape] = None
        most = max(1, _KEYS_MAX // max(1, self._index.columns.length))
        while len(self._kept) > most:
            oldest = next(iter(self._kept))
            del self._kept[oldest]
            oldest.keys = None

    def _forget(self, key: tuple[object, ...]) -> None:
        shape = self._shapes.pop(key)
        self._kept.pop(shape, None)

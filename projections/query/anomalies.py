"""``ANOMALY MAD``: only rows whose value is far from the median of those before it.

The one thing to know: far is measured in median absolute deviations of the last values, so that
one outlier among them moves nothing. Until there are as many values as the query wants, none is
far.
"""

from collections import deque
from statistics import fmean, median
from typing import Any, Final

from projections.query.syntax import Anomaly
from projections.query.values import Row, descended, is_number

SIZE_MIN: Final = 3
"""Of fewer values the deviations' median says nothing."""


class Deviating:
    """Whether rows, one after the other, are far from those before."""

    def __init__(self, anomaly: Anomaly) -> None:
        self._path = anomaly.path
        self._deviations = anomaly.deviations
        self._values: deque[float] = deque(maxlen=max(SIZE_MIN, int(anomaly.size)))

    def __call__(self, row: Row) -> bool:
        """Note the row's value; whether it is far."""
        found = descended(row, self._path.steps)
        value: Any = row.get(self._path.name) if found is None else found
        if not is_number(value):
            return False
        is_far = len(self._values) == self._values.maxlen and self._is_far(value)
        self._values.append(value)
        return is_far

    def _is_far(self, value: float) -> bool:
        middle = median(self._values)
        away = [abs(each - middle) for each in self._values]
        # Where most values are the same, the mean of what is away says what is usual
        # (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
        deviation = median(away) or fmean(away)
        return abs(value - middle) > self._deviations * deviation

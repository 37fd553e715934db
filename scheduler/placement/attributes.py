"""Hosts by the values of their attributes, as arrays; worked out when asked, until hosts change.

The one thing to know: hosts with equal attributes share one dictionary, so a question about all
hosts is asked once for each set of attributes and then looked up by row.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scheduler.placement.host import HostView
from scheduler.placement.slot import AttributeSet

if TYPE_CHECKING:
    from scheduler.placement.columns import Columns

Array = npt.NDArray[np.int64]
Values = tuple[str | None, ...]


class Attributes:
    """What is known of the attributes of all hosts at one version of the table."""

    def __init__(self, columns: "Columns") -> None:
        self._columns = columns
        self._shared: dict[tuple[tuple[str, str], ...], AttributeSet] = {}
        self._sets_made = 0
        self._version = 0
        self._codes: dict[str, tuple[Array, list[str | None]]] = {}
        self._partitions: dict[tuple[str, ...], list[tuple[Values, Array]]] = {}
        self._values: dict[str, tuple[str, ...]] = {}
        self._models: tuple[Array, list[str]] | None = None
        self._set_rows: tuple[Array, list[dict[str, str]]] | None = None

    def of(self, view: HostView) -> AttributeSet:
        """The host's attributes by name, one value for all hosts with the same ones."""
        known = self._shared.get(view.attributes)
        if known is None:
            if len(self._shared) > 1_024 + 2 * self._columns.length:
                self._shared.clear()
            self._sets_made += 1
            known = self._shared[view.attributes] = AttributeSet(view.attributes, self._sets_made)
        return known

    def codes(self, attribute: str) -> tuple[Array, list[str | None]]:
        """A number for each row's value of the attribute, and the values; number 0 is none."""
        self._refresh()
        known = self._codes.get(attribute)
        if known is None:
            numbers: dict[str | None, int] = {None: 0}
            rows, every = self._sets()
            of_set = [numbers.setdefault(each.get(attribute), len(numbers)) for each in every]
            array = np.array([*of_set, 0], np.int64)[rows]
            known = self._codes[attribute] = (array, list(numbers))
        return known

    def models(self) -> tuple[Array, list[str]]:
        """A number for each row's model of GPU, and the models."""
        self._refresh()
        if self._models is None:
            numbers: dict[str, int] = {}
            array = np.zeros(self._columns.length, np.int64)
            for slot in self._columns.slots:
                if slot is not None:
                    array[slot.row] = numbers.setdefault(slot.gpu_model, len(numbers))
            self._models = (array, list(numbers))
        return self._models

    def partitions(self, attributes: tuple[str, ...]) -> list[tuple[Values, Array]]:
        """Rows with equal values of all these attributes, with the values."""
        self._refresh()
        known = self._partitions.get(attributes)
        if known is None:
            numbers: dict[Values, int] = {}
            rows, every = self._sets()
            of_set = [
                numbers.setdefault(tuple([each.get(name) for name in attributes]), len(numbers))
                for each in every
            ]
            array = np.array([*of_set, -1], np.int64)[rows]
            order = np.argsort(array, kind="stable")
            ends = np.searchsorted(array[order], np.arange(len(numbers) + 1))
            known = [
                (values, order[ends[number] : ends[number + 1]])
                for values, number in numbers.items()
            ]
            self._partitions[attributes] = known
        return known

    def values(self, attribute: str) -> tuple[str, ...]:
        """Values of the attribute among schedulable hosts outside of lost zones, sorted."""
        self._refresh()
        known = self._values.get(attribute)
        if known is None:
            rows, every = self._sets()
            used = np.unique(rows[self._columns.takes == 1]).tolist()
            found = {every[number][attribute] for number in used if attribute in every[number]}
            known = self._values[attribute] = tuple(sorted(found))
        return known

    def _sets(self) -> tuple[Array, list[dict[str, str]]]:
        """A number for each row's set of attributes, and the sets; a row without a host has -1."""
        if self._set_rows is None:
            numbers: dict[int, int] = {}
            every: list[dict[str, str]] = []
            rows: list[int] = []
            for slot in self._columns.slots:
                if slot is None:
                    rows.append(-1)
                    continue
                number = numbers.get(slot.attributes.number)
                if number is None:
                    number = numbers[slot.attributes.number] = len(every)
                    every.append(slot.attributes)
                rows.append(number)
            self._set_rows = (np.array(rows, np.int64), every)
        return self._set_rows

    def _refresh(self) -> None:
        if self._version != self._columns.version:
            self._version = self._columns.version
            self._codes.clear()
            self._partitions.clear()
            self._values.clear()
            self._models = self._set_rows = None

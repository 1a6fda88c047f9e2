"""Tables of `steadycast history export`: a row for each bucket of each series, so that columns must be made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from steadycast.model import Measured, Resource, Unit, unit_of
from steadycast.tracking.history.export import COLUMNS
from steadycast.watching.watch.columns import Column

EXPORTED = COLUMNS
MEDIAN = COLUMNS.index("median")
SERIES = 1000
_UNJUDGED = (Resource.RETAINED,)  # what malloc keeps is no loss


def is_exported(names: Sequence[str]) -> bool:
    """Whether a table with these names is one."""
    return tuple(names) == EXPORTED


class Exported:
    """Takes rows. `left_out`: series that are one too many; `unknown`: rows of what this version does not know."""

    def __init__(self) -> None:
        self.left_out: set[Measured] = set()
        self.unknown = 0
        self._columns: dict[tuple[str, str, str], Column] = {}

    def take(self, at: float, row: Sequence[str], value: float | None) -> None:
        """One bucket; `value` is its median."""
        role, name, detail = row[1], row[2], row[3]
        column = self._columns.get((role, name, detail))
        if column is None:
            try:
                resource = Resource(name)
            except ValueError:
                self.unknown += 1
                return
            if unit_of(resource) is Unit.RATIO or resource in _UNJUDGED:
                return
            if len(self._columns) >= SERIES:
                self.left_out.add(Measured(resource, f"{role} {detail}"))
                return
            words = " ".join(filter(None, (role, name, detail)))
            column = self._columns[role, name, detail] = Column(words, resource)
            column.sized = unit_of(resource) is Unit.BYTES
        if value is None:
            column.left_out += 1
        else:
            column.times.append(at)
            column.values.append(value)

    def columns(self) -> Iterator[Column]:
        """A series each."""
        return iter(self._columns.values())

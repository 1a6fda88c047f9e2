"""Values that are in no file yet. Pure; 24 bytes a value."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator


class Waiting:
    """In the order in which they came. `most` are held; when one more comes, the older half goes and counts as lost."""

    def __init__(self, most: int) -> None:
        self.lost = 0
        self._most = most
        self._series = array("d")
        self._times = array("d")
        self._values = array("d")

    def __len__(self) -> int:
        return len(self._values)

    def add(self, series: int, at: float, value: float) -> None:
        if len(self) >= self._most:
            half = (len(self) + 1) // 2
            self.lost += half
            self._keep(half)
        self._series.append(series)
        self._times.append(at)
        self._values.append(value)

    def of(self, series: int) -> Iterator[tuple[float, float]]:
        """When (Unix seconds) and what."""
        for number, at, value in zip(self._series, self._times, self._values, strict=True):
            if number == series:
                yield at, value

    def columns(self, without: Collection[int] = ()) -> tuple[array[float], array[float], array[float]]:
        """Series, times and values, but not of these series."""
        if not without:
            return self._series, self._times, self._values
        rows = zip(self._series, self._times, self._values, strict=True)
        kept = [row for row in rows if int(row[0]) not in without]
        series, times, values = (array("d", [row[place] for row in kept]) for place in range(3))
        return series, times, values

    def clear(self) -> None:
        self._keep(len(self))

    def _keep(self, after: int) -> None:
        self._series, self._times, self._values = (
            column[after:] for column in (self._series, self._times, self._values)
        )

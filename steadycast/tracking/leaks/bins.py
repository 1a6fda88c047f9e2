"""A series in bounded memory: its lower envelope in bins of ten minutes for days and of two hours for months.

Memory is judged by its valleys: what is still held when work pauses for a moment. Each bin keeps the second lowest of
its ten slots (a slot holds the median of its samples), so neither a spike nor one false zero nor a change of the
sampling rate moves it, and the load at that same slot, so that load can be taken out afterwards.
"""

from __future__ import annotations

from base64 import b85decode, b85encode
from collections.abc import Mapping
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from steadycast.model.series import LOADS

Array = npt.NDArray[np.float64]

SLOTS = 10  # a bin
FINE = 624  # bins of ten minutes: 4.3 days
COARSE = 1092  # bins of two hours: 91 days
RATIO = 12  # fine bins a coarse one
KEPT = 32  # samples of one slot; more are thinned out evenly
ROW = 1 + LOADS  # value and loads


class Ring:
    """The newest `most` rows of value and loads; a row of NaN stands for a bin that nobody measured."""

    __slots__ = ("_rows", "_used", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._rows: Array = np.full((48, ROW), np.nan)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def rows(self) -> Array:
        """Shape (used, 1 + LOADS), oldest first; a view."""
        return self._rows[: self._used]

    @property
    def nbytes(self) -> int:
        return int(self._rows.nbytes)

    def add(self, row: Array | None, missing: int = 0) -> None:
        """Appends one row after `missing` rows of NaN. Keeps between three quarters of `most` and all of it."""
        missing = min(missing, self.most)
        need = self._used + missing + 1
        if need > self.most:
            keep = max(0, min(self._used, self.most * 3 // 4 - missing - 1))
            self._rows[:keep] = self._rows[self._used - keep : self._used]
            self._used = keep
            missing = min(missing, self.most - keep - 1)
            need = keep + missing + 1
        if need > len(self._rows):
            grown = np.full((min(self.most, max(need, 2 * len(self._rows))), ROW), np.nan)
            grown[: self._used] = self._rows[: self._used]
            self._rows = grown
        self._rows[self._used : need] = np.nan
        if row is not None:
            self._rows[need - 1] = row
        self._used = need

    def state(self, columns: int) -> str:
        """The first `columns` of all rows, as text, to seven digits."""
        return b85encode(self.rows[:, :columns].astype("<f4").tobytes()).decode()

    def restore(self, columns: int, state: str) -> None:
        """What `state` gave. Raises ValueError where that is no such thing."""
        kept = np.frombuffer(b85decode(state), "<f4").reshape(-1, columns)[-self.most :]
        self._rows = np.full((max(len(self._rows), len(kept)), ROW), np.nan)
        self._rows[: len(kept), :columns] = kept
        self._used = len(kept)


class Bins:
    """One life of one series. `add` answers how many fine bins it closed (0 nearly always)."""

    __slots__ = (
        "_bin", "_bins", "_load", "_slot", "_slots", "_stride", "_turn", "_values", "closed", "coarse", "fine", "last",
        "names", "start", "step",
    )  # fmt: skip

    def __init__(self, start: float, step: float, names: tuple[str, ...] = ()) -> None:
        self.start, self.step = start, step
        self.names = names
        self.fine, self.coarse = Ring(FINE), Ring(COARSE)
        self.closed = 0  # fine bins since the start, measured or not
        self.last = -np.inf
        self._slot = self._bin = 0
        self._values: list[float] = []
        self._load: Mapping[str, float] = {}
        self._stride = self._turn = 1
        self._slots: list[tuple[float, Mapping[str, float]]] = []
        self._bins: list[Array] = []  # of the coarse bin that is under way

    @property
    def nbytes(self) -> int:
        """An upper bound of what is kept for the history, bytes."""
        return self.fine.nbytes + self.coarse.nbytes + 8 * KEPT + RATIO * 8 * ROW

    def add(self, monotonic: float, value: float, load: Mapping[str, float]) -> int:
        if monotonic <= self.last:
            return 0  # twice the same, or a clock that went back
        self.last = monotonic
        slot = int((monotonic - self.start) / self.step * SLOTS)
        done = 0
        if slot != self._slot:
            self._end_slot()
            if slot // SLOTS != self._bin:
                done = self._end_bin(slot // SLOTS)
            self._slot = slot
        self._turn -= 1
        if self._turn <= 0:
            self._values.append(value)
            self._load = load
            if len(self._values) >= KEPT:
                del self._values[::2]
                self._stride *= 2
            self._turn = self._stride
        return done

    def _end_slot(self) -> None:
        if self._values:
            self._slots.append((median(self._values), self._load))
        self._values = []
        self._stride = self._turn = 1

    def _end_bin(self, upcoming: int) -> int:
        row = self._lowest()
        before, self._bin = self._bin, upcoming
        self._push(row, 0, before)
        empty = upcoming - before - 1
        if empty > 0:
            self._skip(empty, before + 1)
        self.closed = upcoming
        return upcoming - before

    def _push(self, row: Array | None, missing: int, index: int) -> None:
        self.fine.add(row, missing)
        if row is not None:
            self._bins.append(row)
        if index % RATIO == RATIO - 1:
            self._end_coarse()

    def _skip(self, empty: int, first: int) -> None:
        """Bins that nobody measured; a gap longer than the whole history costs no more than the history."""
        self.fine.add(None, empty - 1)
        ended = (first + empty) // RATIO - first // RATIO
        if ended:
            self._end_coarse()
            if ended > 1:
                self.coarse.add(None, ended - 2)

    def _end_coarse(self) -> None:
        rows = sorted(self._bins, key=lambda row: float(row[0]))
        self.coarse.add(rows[int(0.2 * (len(rows) - 1))] if rows else None)
        self._bins = []

    def _lowest(self) -> Array | None:
        if not self._slots:
            return None
        self._slots.sort(key=lambda pair: pair[0])
        value, load = self._slots[int(0.2 * (len(self._slots) - 1))]
        self._slots = []
        row = np.full(ROW, np.nan)
        row[0] = value
        for name in load:
            if name not in self.names and len(self.names) < LOADS:
                self.names = (*self.names, name)
        for i, name in enumerate(self.names):
            row[1 + i] = load.get(name, np.nan)
        return row

    def state(self) -> dict[str, Any]:
        """As JSON: all but what is under way of the bin of now."""
        columns = 1 + len(self.names)
        rings = self.fine.state(columns), self.coarse.state(columns)
        begun = [row[:columns].tolist() for row in self._bins]
        return {
            "start": self.start,
            "step": self.step,
            "names": list(self.names),
            "at": [self._bin, self.closed],
            "last": self.last,
            "rings": rings,
            "begun": begun,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Bins:
        """What `state` gave; the time until now was not measured."""
        names = tuple(str(one) for one in state["names"][:LOADS])
        bins = cls(float(state["start"]), float(state["step"]), names)
        bins._bin, bins.closed = (int(one) for one in state["at"])
        bins._slot, bins.last = bins._bin * SLOTS, float(state["last"])
        for ring, one in zip((bins.fine, bins.coarse), state["rings"], strict=True):
            ring.restore(1 + len(names), one)
        for values in state["begun"][:RATIO]:
            row = np.full(ROW, np.nan)
            row[: len(values)] = values
            bins._bins.append(row)
        return bins

"""Looking things up in the table. Within a codec, rows stand in the order in which they are to be tried."""

from __future__ import annotations

import re

from steadycast.model import Codec
from steadycast.vendors.table import nvcodec, other, simulated, software, va
from steadycast.vendors.table.row import Row

ROWS: tuple[Row, ...] = (*nvcodec.ROWS, *va.ROWS, *other.ROWS, *simulated.ROWS, *software.ROWS)

_BY_ENTRY = {one.entry: one for one in ROWS}


def row(entry: str) -> Row | None:
    """The row of this name."""
    return _BY_ENTRY.get(entry)


def of_codec(codec: Codec, family: str | None = None) -> tuple[Row, ...]:
    """Rows of a codec, of one family or of all."""
    return tuple(one for one in ROWS if one.codec is codec and family in (None, one.family))


def named(names: tuple[str, ...], node: str = "") -> tuple[str, ...]:
    """Names of elements for a device: `device1` for the second GPU of nvcodec, `renderD129` for va, "" for the first.

    A name that does not tell devices apart stays as it is.
    """
    return tuple(name.replace("{node}", node) for name in names)


def works_on(row: Row, element: str) -> str:
    """The device's part of an element's name; "" for the first device, and for an element that is not of this row."""
    for name in row.elements:
        before, found, after = name.partition("{node}")
        if found and (match := re.fullmatch(f"{re.escape(before)}([A-Za-z]+\\d+)?{re.escape(after)}", element)):
            return match.group(1) or ""
    return ""

"""The stock of an egress worker cut into answers that fit into a message. Pure."""

from __future__ import annotations

import json
from dataclasses import replace

from steadycast.workers.codec import to_plain
from steadycast.workers.envelope import MAX_BYTES
from steadycast.workers.messages.stock import BusStock, EgressStock, HoldStock, ViewerStock

PAGE_BYTES = MAX_BYTES // 2  # of the lists of one page; beside them it has the order, and the next item goes over it
Item = BusStock | ViewerStock | HoldStock


def pages(stock: EgressStock, page_bytes: int = PAGE_BYTES) -> tuple[EgressStock, ...]:
    """The same stock in parts, at least one: its lists go on from part to part, the rest is in each."""
    parts: list[list[Item]] = [[]]
    size = 0
    items: tuple[Item, ...] = (*stock.buses, *stock.viewers, *stock.holds)
    for item in items:
        length = len(json.dumps(to_plain(item), ensure_ascii=False).encode())
        if size and size + length > page_bytes:
            parts.append([])
            size = 0
        parts[-1].append(item)
        size += length
    return tuple(_page(stock, part) for part in parts)


def _page(stock: EgressStock, part: list[Item]) -> EgressStock:
    return replace(
        stock,
        buses=tuple(item for item in part if isinstance(item, BusStock)),
        viewers=tuple(item for item in part if isinstance(item, ViewerStock)),
        holds=tuple(item for item in part if isinstance(item, HoldStock)),
    )

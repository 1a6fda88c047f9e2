"""The stock of an egress worker in pages: nothing is lost, each page fits into a message, merged it is the same."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from steadycast.model import Codec, Protocol, TrackInfo, TrackKind
from steadycast.workers.adoption import merged
from steadycast.workers.codec import to_plain
from steadycast.workers.envelope import pack
from steadycast.workers.messages import Done
from steadycast.workers.messages.stock import BusStock, EgressStock, HoldStock, Stock, ViewerStock
from steadycast.workers.paging import pages

INFO = TrackInfo("main", TrackKind.VIDEO, Codec.H264, 90_000, fmtp={"sprop-parameter-sets": "Z" * 200})


def stock(buses: int, viewers: int, holds: int) -> EgressStock:
    keys = ("l_aaaaaaaaaaaa/main", "l_aaaaaaaaaaaa/audio")
    return EgressStock(
        None,
        5000,
        True,
        tuple(BusStock(f"l_{n}/main", INFO, "e" * 16, f"{n}.{'b' * 16}") for n in range(buses)),
        tuple(
            ViewerStock(f"v_{n}", Protocol.WHEP, "l_aaaaaaaaaaaa", keys, 1e9 + n, True, "[::1]:50000", "udp", "t" * 16)
            for n in range(viewers)
        ),
        tuple(HoldStock(f"h{n}", "l_aaaaaaaaaaaa", keys) for n in range(holds)),
    )


def joined(parts: Sequence[EgressStock]) -> Stock:
    whole: Stock = parts[0]
    for part in parts[1:]:
        whole = merged(whole, part)
    return whole


@given(st.integers(0, 9), st.integers(0, 30), st.integers(0, 30), st.integers(1, 5000))
def test_merged_pages_are_the_stock(buses: int, viewers: int, holds: int, page_bytes: int) -> None:
    whole = stock(buses, viewers, holds)
    assert joined(pages(whole, page_bytes)) == whole


def test_a_full_worker_fits_into_few_messages() -> None:
    whole = stock(200, 3000, 2000)
    parts = pages(whole)
    assert 2 < len(parts) < 12
    for number, part in enumerate(parts):
        pack(Done({"stock": to_plain(part), "more": number + 1}), 1)  # raises where it is too large
    assert joined(parts) == whole


def test_an_empty_one_has_one_page() -> None:
    assert pages(EgressStock()) == (EgressStock(),)

"""Findings as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steadycast.model.findings import Finding
from steadycast.model.series import Measured
from steadycast.tracking.leaks.book import Book
from steadycast.tracking.leaks.cases import Case
from steadycast.tracking.leaks.plain import build, plain


def book_state(book: Book) -> dict[str, Any]:
    """All that is open, and the newest of what is over."""
    return {
        "count": book.count,
        "open": [plain(case) for case in book.open.values()],
        "undecided": [plain(case) for case in book.undecided],
        "past": [plain(one) for one in list(book.past)[-64:]],
        "muted": [[role, plain(measured), grown] for (role, measured), grown in book.muted.items()],
    }


def book_of(state: Mapping[str, Any]) -> Book:
    """What `book_state` gave."""
    book = Book()
    book.count = int(state["count"])
    for one in state["open"]:
        book.put(build(Case, one))
    for one in state.get("undecided", ()):
        book.undecided.put(build(Case, one))
    book.past.extend(build(Finding, one) for one in state["past"])
    for role, measured, grown in state.get("muted", ()):
        book.muted[str(role), build(Measured, measured)] = float(grown)
    return book

"""The table in the documentation is that of the data."""

from __future__ import annotations

from tests.support.signature_listing import PAGE, whole


def test_the_page_has_the_table_of_the_data() -> None:
    page = PAGE.read_text()
    assert page == whole(page), "run: python -m tests.support.signature_listing"

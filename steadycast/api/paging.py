"""Parts of lists that the rooms give whole, and walks through lists that they give in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from steadycast.errors import CallerError
from steadycast.lobbies.device_views import AdmissionView
from steadycast.lobbies.views import Page

T = TypeVar("T")
WALKED = 200  # items asked for at once when a list is filtered
WALKS = 50  # and how often, for one answer


def part(items: Iterable[T], after: str | None, limit: int, name: Callable[[T], str]) -> Page[T]:
    """The items after the one that is called `after`, in the order of their names; that one may be gone by now."""
    rest = sorted((item for item in items if after is None or name(item) > after), key=name)
    shown = tuple(rest[:limit])
    return Page(shown, name(shown[-1]) if len(rest) > limit else None)


def number(after: str | None) -> int | None:
    """The number that a numbered list goes on after. Raises CallerError `page.unknown`."""
    if after is None:
        return None
    if not (after.isascii() and after.isdecimal()) or len(after) > 18:
        raise CallerError("page.unknown", "No such page.", why="`after` is the `next` of the answer before.")
    return int(after)


def admissions(
    ask: Callable[[int | None, int], Page[AdmissionView]],
    wanted: Callable[[AdmissionView], bool],
    after: int | None,
    limit: int,
) -> Page[AdmissionView]:
    """The wanted ones of a numbered list, newest first. A long search stops and says where to go on."""
    found: list[AdmissionView] = []
    for _ in range(WALKS):
        page = ask(after, WALKED)
        for item in page.items:
            if not wanted(item):
                continue
            if len(found) == limit:
                return Page(tuple(found), str(found[-1].number))
            found.append(item)
        if page.next is None:
            return Page(tuple(found), None)
        after = page.items[-1].number
    return Page(tuple(found), str(after))

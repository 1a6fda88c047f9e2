"""Suspects that nobody could decide in time. They are told no more until they are proven, or are suspected again."""

from __future__ import annotations

from collections.abc import Iterator

from steadycast.tracking.leaks.cases import Case

MOST = 256


class Undecided:
    """Cases by the role of their owner, the newest last; the oldest make room."""

    def __init__(self) -> None:
        self._by_role: dict[str, list[Case]] = {}

    def __iter__(self) -> Iterator[Case]:
        return (case for cases in self._by_role.values() for case in cases)

    def of(self, role: str) -> list[Case]:
        return self._by_role.get(role, [])

    def put(self, case: Case) -> None:
        """One more."""
        self._by_role.setdefault(case.owner.role, []).append(case)
        if sum(len(cases) for cases in self._by_role.values()) > MOST:
            self.drop(min(self, key=lambda one: one.updated))

    def drop(self, case: Case) -> None:
        """It is over, or suspected again."""
        role = case.owner.role
        left = [one for one in self.of(role) if one is not case]
        if left:
            self._by_role[role] = left
        else:
            self._by_role.pop(role, None)

    def forget(self, role: str) -> None:
        """There is nobody of this role any more."""
        self._by_role.pop(role, None)

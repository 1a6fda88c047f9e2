"""The four tables and the life that moves by them, whatever happens in whatever order."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.lifecycle import (
    LOBBY,
    RENDITION,
    VIEWER,
    WORKER,
    Life,
    Move,
    RenditionState,
    Table,
    ViewerState,
    WorkerState,
)
from steadycast.model import LobbyState

Case = tuple[Table[Any], StrEnum, tuple[StrEnum, ...], frozenset[StrEnum]]
# Table, where it begins, the way to the end that a delete takes, and what is said only after it is gone.
CASES: dict[str, Case] = {
    "lobby": (
        LOBBY,
        LobbyState.CREATED,
        (LobbyState.DRAINING, LobbyState.ENDING, LobbyState.DESTROYED),
        frozenset({LobbyState.DESTROYED, LobbyState.CLEANUP_INCOMPLETE}),
    ),
    "rendition": (
        RENDITION,
        RenditionState.OPENING,
        (RenditionState.CLOSING, RenditionState.CLOSED),
        frozenset({RenditionState.CLOSED}),
    ),
    "viewer": (
        VIEWER,
        ViewerState.CONNECTING,
        (ViewerState.LEAVING, ViewerState.GONE),
        frozenset({ViewerState.GONE}),
    ),
    "worker": (
        WORKER,
        WorkerState.STARTING,
        (WorkerState.ENDING, WorkerState.GONE),
        frozenset({WorkerState.GONE, WorkerState.CLEANUP_INCOMPLETE}),
    ),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def reachable(table: Table[Any], state: StrEnum) -> set[StrEnum]:
    seen, todo = set(), [state]
    while todo:
        if (one := todo.pop()) not in seen:
            seen.add(one)
            todo.extend(table[one])
    return seen


@every_case
def test_a_table_knows_all_states(case: Case) -> None:
    table = case[0]
    states = set(type(case[1]))
    assert set(table) == states
    assert all(after <= states for after in table.values())
    assert not [state for state, after in table.items() if state in after], "a move to where it is says nothing"


@every_case
def test_from_every_state_there_is_a_way_to_the_end_and_none_out_of_it(case: Case) -> None:
    table, _, _, gone = case
    assert {state for state, after in table.items() if not after} == gone
    for state in table:
        assert reachable(table, state) & gone


@every_case
def test_what_is_not_gone_was_not_said_to_be(case: Case) -> None:
    """The end is entered from the states of ending only, but for what never began or has nothing to end."""
    table, first, way, gone = case
    before = {state for state, after in table.items() if after & gone}
    assert before - {way[-2]} <= ({first, ViewerState.WATCHING} if table is VIEWER else {first})


@every_case
@given(data=st.data())
def test_delete_wins_over_anything(case: Case, data: st.DataObject) -> None:
    """After any events in any order, and with any that the table allows in between, the end is reached."""
    table, first, way, gone = case
    told: list[Move[Any]] = []
    life: Life[Any] = Life(table, first, 0.0, told.append)
    now = 0.0
    for wanted in data.draw(st.lists(st.sampled_from(sorted(table)), max_size=30)):
        now += 1.5
        before = life.state
        if life.may(wanted):
            life.move(wanted, now, "because")
        else:
            with pytest.raises(AssertionError):
                life.move(wanted, now)
            assert life.state is before
    for step in way:
        now += 1.0
        if not life.over and life.may(step):
            life.move(step, now, "deleted")
    assert life.over and life.state in gone
    assert [move.old for move in told[1:]] == [move.new for move in told[:-1]]
    assert sum(move.took_s for move in told) == (life.since if told else 0)


def test_a_move_says_how_long_the_state_before_was() -> None:
    told: list[Move[ViewerState]] = []
    life = Life(VIEWER, ViewerState.CONNECTING, 10.0, told.append)
    life.move(ViewerState.WATCHING, 12.5)
    life.move(ViewerState.GONE, 20.0, "client left")
    assert told == [
        Move(ViewerState.CONNECTING, ViewerState.WATCHING, None, 2.5),
        Move(ViewerState.WATCHING, ViewerState.GONE, "client left", 7.5),
    ]

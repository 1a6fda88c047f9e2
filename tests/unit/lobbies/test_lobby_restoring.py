"""Store and config at a start: what is declared is there with its old id, what callers made stays, the rest goes."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from steadycast.config.settings import LobbySettings
from steadycast.lobbies.restoring import restore
from steadycast.lobbies.store import StoredLobby
from tests.support.lobby_room import OpenRoom


def request(key: str | None, width: int) -> LobbySettings:
    return LobbySettings.model_validate({"key": key, "name": "n", "source": {"kind": "test", "width": width}})


REQUESTS = st.lists(
    st.builds(request, st.sampled_from([None, "a", "b", "c"]), st.sampled_from([320, 640])),
    max_size=4,
    unique_by=lambda one: one.key or one.model_dump_json(),
)


def stored_of(requests: list[LobbySettings], declared: bool) -> list[StoredLobby]:
    flag = "d" if declared else "c"
    return [
        StoredLobby(f"{flag}{number}", one.key, float(number), one.model_dump_json(), declared)
        for number, one in enumerate(requests)
    ]


@given(REQUESTS, REQUESTS, REQUESTS)
def test_starting_again_and_again_settles(
    old: list[LobbySettings], by_callers: list[LobbySettings], now: list[LobbySettings]
) -> None:
    keys = {one.key for one in old if one.key}
    stored = stored_of(old, True) + stored_of([one for one in by_callers if one.key not in keys], False)
    names = (f"n{number}" for number in itertools.count())
    first = restore(stored, now, 99.0, lambda: next(names))
    again = restore(first.lobbies, now, 100.0, lambda: next(names))
    assert again.lobbies == first.lobbies and not again.changed and not again.dropped
    assert [one.request for one in first.lobbies if one.declared] == [one.model_dump_json() for one in now]
    assert len({one.id for one in first.lobbies}) == len(first.lobbies)
    everybody = {one.id for one in first.lobbies} | set(first.dropped)
    assert {one.id for one in stored} <= everybody
    assert all(one.id in {s.id for s in stored} | {c.id for c in first.changed} for one in first.lobbies)
    keys_now = {one.key for one in now}
    made = {one.id for one in stored if not one.declared and (one.key is None or one.key not in keys_now)}
    assert made <= {one.id for one in first.lobbies}


async def test_a_changed_config_changes_the_lobby_and_keeps_its_address(open_room: OpenRoom) -> None:
    def lobby(width: int) -> list[dict[str, Any]]:
        return [{"key": "k", "name": "n", "source": {"kind": "test", "width": width}}]

    room = await open_room(lobbies=lobby(320))
    await room.create(key="mine")
    before = room.lobbies.get("k")
    stored = await room.store.lobbies()
    room = await open_room(lobbies=lobby(640), stored=stored)
    after = room.lobbies.get("k")
    assert (after.id, after.source["width"]) == (before.id, 640)
    assert room.lobbies.get("mine").key == "mine"
    stored = await room.store.lobbies()
    room = await open_room(stored=stored)
    assert [view.key for view in room.lobbies.list().items] == ["mine"]


async def test_a_declared_lobby_that_cannot_work_says_so_in_the_list(open_room: OpenRoom) -> None:
    room = await open_room(lobbies=[{"key": "k", "name": "n", "source": {"kind": "desktop", "application": "none"}}])
    view = await room.state("k", "DEGRADED")
    assert view.code == "source.application" and view.why is not None and "none" in view.why

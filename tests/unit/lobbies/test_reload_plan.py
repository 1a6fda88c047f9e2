"""The plan of a config that is read again: lobbies, settings, and what must not be shown."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from steadycast.config.effects import When
from steadycast.config.settings import LobbySettings, Settings
from steadycast.lobbies.mask import shown_value
from steadycast.lobbies.reload_views import Step
from steadycast.lobbies.reloading import ReloadPlan, RunningLobby, plan_reload
from steadycast.model import DesktopSource, EncodePolicy, HardwareUse, Rendition, RtspSource, TestSource


def lobby(name: str = "One", source: Any = None, key: str | None = "one", **more: Any) -> LobbySettings:
    return LobbySettings(key=key, name=name, source=source or TestSource(), **more)


def runs(*requests: LobbySettings, declared: bool = True) -> list[RunningLobby]:
    return [RunningLobby(f"id{n}", r.key, r, declared, float(n)) for n, r in enumerate(requests)]


def plan(running: Settings, wanted: Settings, lobbies: list[RunningLobby]) -> ReloadPlan:
    numbers = itertools.count()
    return plan_reload(running, wanted, lobbies, 100.0, lambda: f"new{next(numbers)}")


def one(before: LobbySettings, after: LobbySettings) -> Any:
    found = plan(Settings(), Settings(lobbies=(after,)), runs(before))
    assert len(found.lobbies) == 1
    return found.lobbies[0].shown


NAMES = st.sampled_from(["One", "Two", "Three"])
SOURCES = st.one_of(
    st.builds(TestSource, width=st.sampled_from([640, 1280])),
    st.builds(DesktopSource, application=st.sampled_from(["a", "b"])),
    st.builds(RtspSource, url=st.sampled_from(["rtsp://u:secret1@cam/a", "rtsp://u:secret2@cam/a"])),
)
LOBBY = st.builds(
    LobbySettings,
    name=NAMES,
    source=SOURCES,
    renditions=st.sampled_from([(), (Rendition("low"),), (Rendition("low", bitrate_kbps=500), Rendition("high"))]),
    encoders=st.sampled_from([EncodePolicy(), EncodePolicy(hardware=HardwareUse.FORBID)]),
)


@st.composite
def declared(draw: Any) -> tuple[LobbySettings, ...]:
    keys = draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, max_size=4))
    keyed = [draw(LOBBY).model_copy(update={"key": key}) for key in keys]
    return (*keyed, *draw(st.lists(LOBBY, max_size=2)))


@given(declared())
def test_the_same_config_is_an_empty_plan(lobbies: tuple[LobbySettings, ...]) -> None:
    settings = Settings(lobbies=lobbies)
    found = plan(settings, settings, runs(*lobbies))
    assert found.settings == ()
    assert [change.shown.step for change in found.lobbies] == [Step.UNTOUCHED] * len(lobbies)
    assert found.shown().lines() == ()


@given(declared(), declared(), st.booleans())
def test_after_the_plan_there_is_what_the_config_says(
    before: tuple[LobbySettings, ...], after: tuple[LobbySettings, ...], by_callers: bool
) -> None:
    lobbies = runs(*before, declared=not by_callers)
    found = plan(Settings(), Settings(lobbies=after), lobbies)
    there = [change for change in found.lobbies if change.after is not None]
    assert [change.after for change in there][: len(after)] == list(after)
    assert {c.before.id for c in found.lobbies if c.before is not None} == {one.id for one in lobbies}  # none forgotten
    again = [RunningLobby(c.stored.id, c.after.key, c.after, c.stored.declared) for c in there if c.stored and c.after]
    second = plan(Settings(), Settings(lobbies=after), again)
    assert {change.shown.step for change in second.lobbies} <= {Step.UNTOUCHED}
    assert not second.kept_otherwise
    if by_callers:
        assert not found.of(Step.REMOVED)


@given(declared(), declared())
def test_no_line_holds_a_password(before: tuple[LobbySettings, ...], after: tuple[LobbySettings, ...]) -> None:
    assert "secret" not in repr(plan(Settings(), Settings(lobbies=after), runs(*before)).shown())


def test_a_new_name_touches_nothing_else() -> None:
    shown = one(lobby("One"), lobby("Uno"))
    assert (shown.step, shown.steps, shown.id) == (Step.RENAMED, (Step.RENAMED,), "id0")
    assert "'Uno'" in shown.line and "'One'" in shown.line


def test_renditions_are_named() -> None:
    before = lobby(renditions=(Rendition("low", bitrate_kbps=500), Rendition("old"), Rendition("same")))
    after = lobby(renditions=(Rendition("low", bitrate_kbps=800), Rendition("same"), Rendition("fresh")))
    shown = one(before, after)
    assert shown.step is Step.RENDITIONS
    assert set(shown.renditions) == {"low", "old", "fresh"}
    assert "bitrate_kbps 500 -> 800" in shown.line and "fresh is new" in shown.line and "old goes" in shown.line


def test_the_farthest_step_comes_first() -> None:
    shown = one(lobby("One"), lobby("Uno", TestSource(width=640), encoders=EncodePolicy(hardware=HardwareUse.FORBID)))
    assert shown.steps == (Step.SOURCE, Step.ENCODERS, Step.RENAMED)
    assert shown.step is Step.SOURCE and not shown.display


def test_a_display_is_replaced_only_where_it_must() -> None:
    desktop = DesktopSource(application="a")
    for change, display in (({"width": 640}, True), ({"application": "b"}, True), ({"fps": 10}, False)):
        shown = one(lobby(source=desktop), lobby(source=replace(desktop, **change)))
        assert (shown.step, shown.display) == (Step.SOURCE, display), change
    assert one(lobby(source=desktop), lobby()).display
    assert one(lobby(), lobby(source=desktop)).display


def test_another_password_of_a_camera_is_a_change_that_is_not_shown() -> None:
    shown = one(lobby(source=RtspSource("rtsp://u:first@cam/a")), lobby(source=RtspSource("rtsp://u:other@cam/a")))
    assert shown.step is Step.SOURCE
    assert "another user or password" in shown.line and "other@" not in shown.line


def test_without_a_key_a_changed_lobby_is_another_one() -> None:
    found = plan(Settings(), Settings(lobbies=(lobby("Uno", key=None),)), runs(lobby("One", key=None)))
    assert [change.shown.step for change in found.lobbies] == [Step.ADDED, Step.REMOVED]


def test_a_callers_lobby_stays_and_one_with_a_declared_key_becomes_the_configs() -> None:
    lobbies = runs(lobby(key="mine"), lobby(key="one"), declared=False)
    found = plan(Settings(), Settings(lobbies=(lobby(),)), lobbies)
    assert [change.shown.step for change in found.lobbies] == [Step.UNTOUCHED, Step.UNTOUCHED]
    assert [change.shown.id for change in found.kept_otherwise] == ["id1"]


def test_a_callers_lobby_that_would_not_start_again_is_told() -> None:
    lobbies = runs(lobby(key="mine", source=DesktopSource(application="gone")), declared=False)
    note = plan(Settings(), Settings(), lobbies).lobbies[0].shown.note
    assert note is not None and "gone" in note


def test_settings_say_when() -> None:
    wanted = Settings.model_validate(
        {
            "port": 9000,
            "limits": {"viewers": 5},
            "renditions": {"keyframe_s": 4},
            "sources": {"applications": {"x": ["y"]}},
        }
    )
    steps = {step.key: step for step in plan(Settings(), wanted, []).settings}
    assert {key: step.when for key, step in steps.items()} == {
        "port": When.RESTART,
        "limits.viewers": When.NOW,
        "renditions.keyframe_s": When.NEW,
        "sources.applications.x": When.NEW,
    }
    assert steps["limits.viewers"].line == "limits.viewers: 1000 -> 5, at once"
    assert steps["sources.applications.x"].old is None
    assert "SIGQUIT" in steps["port"].line


def test_secrets_of_settings_are_masked() -> None:
    def settings(secret: str) -> Settings:
        return Settings.model_validate(
            {
                "auth": {"token": secret},
                "webrtc": {"ice_servers": [{"url": "turn:t.example", "username": "u", "credential": secret}]},
                "sources": {"applications": {"b": ["browser", f"https://u:{secret}@example/?token={secret}"]}},
                "vendors": {"others": {"acme": {"api_key": secret, "level": 3}}},
            }
        )

    found = plan(settings("first-secret-0000"), settings("other-secret-0000"), [])
    assert "secret-0000" not in repr(found.settings)
    assert len(found.settings) == 4
    assert all(step.new and step.new.endswith("(another)") for step in found.settings)


def test_addresses_within_a_value_are_masked() -> None:
    shown = shown_value("play --from https://u:hunter2@example/x --to srt://a:hunter2@b and ftp://c:hunter2@d")
    assert "hunter2" not in shown and shown.count("***") == 3

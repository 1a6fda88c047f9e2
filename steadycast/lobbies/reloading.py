"""What reading the config again would do: to each lobby, and to each setting. Pure.

Which lobby of the config is which of those that run is decided as at a start, by `restoring`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from steadycast.config.effects import differing, effect_of, value_of
from steadycast.config.settings import LobbySettings, Settings
from steadycast.errors import CallerError
from steadycast.lobbies.mask import masked_source, shown_value
from steadycast.lobbies.reload_views import LobbyStep, PlanView, SettingStep, Step
from steadycast.lobbies.restoring import restore
from steadycast.lobbies.rules import check_request
from steadycast.lobbies.store import StoredLobby
from steadycast.model import DesktopSource, Rendition, Source
from steadycast.workers.codec import to_plain

# A display lives on over a change of anything else.
_OF_DISPLAY = ("application", "command", "width", "height")
_UNTOUCHED = "goes on as it is"


@dataclass(frozen=True, slots=True)
class RunningLobby:
    """A lobby that is there; `declared` by the config, not by a caller. `created` in Unix seconds."""

    id: str
    key: str | None
    request: LobbySettings
    declared: bool
    created: float = 0.0

    def stored(self) -> StoredLobby:
        """As it is kept."""
        return StoredLobby(self.id, self.key, self.created, self.request.model_dump_json(), self.declared)


@dataclass(frozen=True, slots=True)
class LobbyChange:
    """One lobby before and after; None where it is not there. `stored` is how it is kept after it."""

    shown: LobbyStep
    before: RunningLobby | None
    after: LobbySettings | None
    stored: StoredLobby | None


@dataclass(frozen=True, slots=True)
class ReloadPlan:
    """Lobbies in the order of the config, then those of callers, then those that go; settings as in the file."""

    lobbies: tuple[LobbyChange, ...]
    settings: tuple[SettingStep, ...]

    def shown(self) -> PlanView:
        """For a person or a program."""
        return PlanView(tuple(change.shown for change in self.lobbies), self.settings)

    def of(self, *steps: Step) -> tuple[LobbyChange, ...]:
        """Changes of these kinds."""
        return tuple(change for change in self.lobbies if change.shown.step in steps)

    @property
    def touched(self) -> tuple[LobbyChange, ...]:
        """Lobbies that are there before and after, and change."""
        return self.of(Step.SOURCE, Step.RENDITIONS, Step.ENCODERS, Step.RENAMED)

    @property
    def kept_otherwise(self) -> tuple[LobbyChange, ...]:
        """Lobbies that go on, but are kept as the config's from now on."""
        untouched = self.of(Step.UNTOUCHED)
        return tuple(c for c in untouched if c.before and c.stored and c.stored.declared and not c.before.declared)


def plan_reload(
    running: Settings,
    wanted: Settings,
    lobbies: Sequence[RunningLobby],
    now: float,
    new_id: Callable[[], str],
) -> ReloadPlan:
    """What becomes of `lobbies` and of `running` when `wanted` is applied. Lobbies that are added get a `new_id`."""
    by_id = {lobby.id: lobby for lobby in lobbies}
    restored = restore([lobby.stored() for lobby in lobbies], wanted.lobbies, now, new_id)
    changes = [
        _kept(by_id[stored.id], request, stored) if stored.id in by_id else _added(request, stored)
        for stored, request in zip(restored.lobbies, wanted.lobbies, strict=False)
    ]
    for stored in restored.lobbies[len(wanted.lobbies) :]:
        lobby = by_id[stored.id]
        change = _kept(lobby, lobby.request, stored)
        changes.append(replace(change, shown=replace(change.shown, note=_doubt(lobby.request, wanted))))
    changes += [_removed(by_id[id]) for id in restored.dropped]
    steps = (step for key in differing(running, wanted) for step in _setting(key, running, wanted))
    return ReloadPlan(tuple(changes), tuple(steps))


# --- lobbies


def _added(request: LobbySettings, stored: StoredLobby) -> LobbyChange:
    line = f"starts, showing {_source_words(request.source)}"
    shown = LobbyStep(Step.ADDED, None, request.key, request.name, line, (Step.ADDED,))
    return LobbyChange(replace(shown, display=isinstance(request.source, DesktopSource)), None, request, stored)


def _removed(lobby: RunningLobby) -> LobbyChange:
    line = "ends, and its viewers with it: it is not in the config any more"
    request = lobby.request
    shown = LobbyStep(Step.REMOVED, lobby.id, lobby.key, request.name, line, (Step.REMOVED,))
    return LobbyChange(replace(shown, display=isinstance(request.source, DesktopSource)), lobby, None, None)


def _kept(lobby: RunningLobby, after: LobbySettings, stored: StoredLobby) -> LobbyChange:
    before = lobby.request
    words: dict[Step, str] = {}
    display = False
    if before.source != after.source:
        display = _display_changes(before.source, after.source)
        words[Step.SOURCE] = _source_change(before.source, after.source, display)
    changed = _renditions(before.renditions, after.renditions)
    if before.renditions != after.renditions:
        words[Step.RENDITIONS] = "; ".join(changed.values()) or "its renditions are in another order"
    if before.encoders != after.encoders:
        words[Step.ENCODERS] = f"encoders: {_fields(to_plain(before.encoders), to_plain(after.encoders))}"
    if before.name != after.name:
        words[Step.RENAMED] = f"its name is {after.name!r} instead of {before.name!r}"
    steps = tuple(words) or (Step.UNTOUCHED,)
    note = "it belongs to the config from now on" if stored.declared and not lobby.declared else None
    line = "; ".join(words.values()) or _UNTOUCHED
    shown = LobbyStep(steps[0], lobby.id, lobby.key, after.name, line, steps, tuple(changed), display, note)
    return LobbyChange(shown, lobby, after, stored)


def _doubt(request: LobbySettings, wanted: Settings) -> str | None:
    """Why a caller's lobby could not be made like this any more."""
    try:
        check_request(request, wanted)
    except CallerError as error:
        return f"once it is lost it will not start again: {error.what}"
    return None


def _source_change(before: Source, after: Source, display: bool) -> str:
    what = "the lobby worker is replaced"
    if display:
        what = "the display, its program and the lobby worker are replaced"
    if before.kind != after.kind:
        return f"it shows {_source_words(after)} instead of {_source_words(before)}: {what}"
    return f"source: {_fields(masked_source(before), masked_source(after)) or 'another user or password'}: {what}"


def _display_changes(before: Source, after: Source) -> bool:
    if not isinstance(before, DesktopSource) or not isinstance(after, DesktopSource):
        return isinstance(before, DesktopSource) or isinstance(after, DesktopSource)
    return any(getattr(before, name) != getattr(after, name) for name in _OF_DISPLAY)


def _renditions(before: Sequence[Rendition], after: Sequence[Rendition]) -> dict[str, str]:
    """By name, in words, those that are not the same in both."""
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    words = {}
    for name in {**old, **new}:
        if name not in old:
            words[name] = f"rendition {name} is new"
        elif name not in new:
            words[name] = f"rendition {name} goes"
        elif old[name] != new[name]:
            words[name] = f"rendition {name}: {_fields(to_plain(old[name]), to_plain(new[name]))}"
    return words


def _source_words(source: Source) -> str:
    shown = masked_source(source)
    what = shown.get("application") or shown.get("url") or shown.get("path") or shown.get("command")
    return source.kind if what is None else f"{source.kind} {shown_value(what)}"


def _fields(before: dict[str, Any], after: dict[str, Any]) -> str:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {shown_value(before.get(name))} -> {shown_value(after.get(name))}" for name in names)


# --- settings


def _setting(key: str, running: Settings, wanted: Settings) -> Iterator[SettingStep]:
    """One step; one for each entry that differs where the operator chooses the names."""
    old, new = value_of(running, key), value_of(wanted, key)
    if not isinstance(old, dict) or not isinstance(new, dict):
        yield _step(key, key, shown_value(old, key), shown_value(new, key))
        return
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            path = f"{key}.{name}"
            before, after = (shown_value(table[name], path) if name in table else None for table in (old, new))
            yield _step(key, path, before, after)


def _step(key: str, path: str, old: str | None, new: str | None) -> SettingStep:
    if old == new:
        new = f"{new} (another)"
    effect = effect_of(key)
    line = f"{path}: {old or 'not there'} -> {new or 'not there'}, {effect.words}"
    return SettingStep(path, old, new, effect.when, line)

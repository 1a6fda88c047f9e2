"""What a new control plane goes on with of what a former one left: which workers of which lobbies, which of their
encoders and buses, which viewers; all else ends. Pure: stocks and requests in, a plan out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from steadycast.config.settings import LobbySettings
from steadycast.lobbies import adopting_stages as stages
from steadycast.lobbies.choose import AUDIO, COPY, EXTRAS, MAIN, Choice
from steadycast.model import Protocol, Rendition
from steadycast.workers.messages.stock import (
    BusStock,
    EgressStock,
    InstanceStock,
    LobbyStock,
    Stock,
    ViewerStock,
)

GONE = "its lobby is gone"
CHANGED = "its rendition is not there any more"


@dataclass(frozen=True, slots=True)
class KeptBus:
    """A bus that goes on: its egress worker, and its name."""

    egress: str
    name: str


@dataclass(frozen=True, slots=True)
class KeptTrack:
    """A track that is made. `instance` is None for a copy and for audio; `encode` likewise."""

    track: str
    encode: Rendition | None
    instance: InstanceStock | None
    buses: tuple[KeptBus, ...]


@dataclass(frozen=True, slots=True)
class KeptHold:
    """Somebody who keeps tracks open: a WHEP viewer, or an RTSP connection (`connection`) with those who play."""

    egress: str
    lobby: str
    choice: Choice
    viewers: tuple[ViewerStock, ...] = ()
    connection: str | None = None


@dataclass(frozen=True, slots=True)
class KeptLobby:
    """What a lobby goes on with; `surplus` are instances to close, `loose` readers (of instance or track) to detach."""

    id: str
    display: str | None = None
    stage: str | None = None
    tracks: tuple[KeptTrack, ...] = ()
    surplus: tuple[str, ...] = ()
    loose: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class KeptEgress:
    """What an egress worker is told: keys of tracks to close, and viewers to end, with the reason."""

    close: tuple[str, ...] = ()
    kick: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Workers by their ids. Each that was found is in one of: `lobbies`, `egresses`, `spares`, `ended` (with why)."""

    lobbies: Mapping[str, KeptLobby] = field(default_factory=dict)
    egresses: Mapping[str, KeptEgress] = field(default_factory=dict)
    spares: tuple[str, ...] = ()
    ended: Mapping[str, str] = field(default_factory=dict)
    holds: tuple[KeptHold, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A lobby that is to be there; `command` is that of a desktop's program."""

    id: str
    request: LobbySettings
    command: tuple[str, ...] | None = None


def plan(wanted: Sequence[Wanted], found: Mapping[str, Stock]) -> Plan:
    """What goes on. The order of `found` makes no difference."""
    kinds = stages.sort(found)
    places, ended = stages.place([stages.Place(one.id, one.request.source, one.command) for one in wanted], kinds)
    egresses = {id: stock for id, stock in kinds.egresses.items() if stock.order is not None}
    spares = [id for id, stock in kinds.stages.items() if stock.order is None]
    spares += [id for id, stock in kinds.egresses.items() if stock.order is None]
    requests = {one.id: one.request for one in wanted}
    lobbies = {}
    for id, (display, stage) in places.items():
        stock = kinds.stages.get(stage) if stage is not None else None
        lobbies[id] = _lobby(KeptLobby(id, display, stage), requests[id], stock, egresses)
    holds, kicks = _holds(requests, lobbies, egresses)
    told = {
        id: KeptEgress(tuple(_unheld(id, stock, lobbies, holds)), tuple(kicks.get(id, ())))
        for id, stock in egresses.items()
    }
    return Plan(lobbies, told, tuple(spares), ended, holds)


def rendition_of(request: LobbySettings, name: str) -> Rendition | None:
    """What is encoded under this name now; None where nothing is."""
    known = request.renditions or (MAIN, *EXTRAS)
    return next((one for one in known if one.name == name and one.codec != "copy"), None)


def choice_of(request: LobbySettings, tracks: Iterable[str]) -> Choice | None:
    """The choice that led to these tracks (names); None where it cannot be made any more."""
    names = dict.fromkeys(tracks)
    audio = names.pop(AUDIO, True) is None
    if not names:
        return Choice(AUDIO, None, None, True) if audio else None
    track = next(iter(names))
    if track == COPY:
        copies = [one.name for one in request.renditions if one.codec == "copy"]
        if request.renditions and not copies:
            return None
        return Choice(copies[0] if copies else COPY, COPY, None, audio)
    encode = rendition_of(request, track)
    return None if encode is None or len(names) > 1 else Choice(track, track, encode, audio)


def number_of(instance: str) -> int:
    """The number in `<track>.<number>`; 0 where there is none."""
    tail = instance.rpartition(".")[2]
    return int(tail) if tail.isascii() and tail.isdecimal() else 0


# --- tracks and buses


def _lobby(
    kept: KeptLobby, request: LobbySettings, stock: LobbyStock | None, egresses: Mapping[str, EgressStock]
) -> KeptLobby:
    if stock is None or stock.order is None or stock.ready is None:
        return kept
    buses = list(_buses(kept.id, egresses))
    fitting: dict[str, list[InstanceStock]] = {}
    for one in sorted(stock.instances, key=lambda one: one.instance):
        wanted = rendition_of(request, one.rendition.name)
        if one.order is not None and wanted is not None and _is_alike(wanted, one.rendition):
            fitting.setdefault(one.rendition.name, []).append(one)
    tracks = [_encoded(track, group, buses, request) for track, group in sorted(fitting.items())]
    readers = stock.readers or {}
    for info in sorted(stock.ready.tracks, key=lambda info: info.name):
        of = frozenset(readers.get(info.name, ()))
        found = _of(info.name, of, buses)
        if found:
            tracks.append(KeptTrack(info.name, None, None, found))
    return _with_tracks(kept, stock, tuple(tracks))


def _with_tracks(kept: KeptLobby, stock: LobbyStock, tracks: tuple[KeptTrack, ...]) -> KeptLobby:
    goes_on = {one.instance.instance for one in tracks if one.instance is not None}
    surplus = tuple(sorted(one.instance for one in stock.instances if one.instance not in goes_on))
    named = {bus.name for one in tracks for bus in one.buses}
    held = [(one.instance, one.readers) for one in stock.instances if one.instance in goes_on]
    held += list((stock.readers or {}).items())
    loose = tuple((name, reader) for name, readers in sorted(held) for reader in readers if reader not in named)
    return KeptLobby(kept.id, kept.display, kept.stage, tracks, surplus, loose)


def _is_alike(wanted: Rendition, made: Rendition) -> bool:
    """But for the bitrate, which follows the ways to viewers: it is brought to that when the tracks are in place."""
    kbps = wanted.bitrate_kbps if made.bitrate_kbps is None else made.bitrate_kbps
    return replace(wanted, bitrate_kbps=kbps) == made


def _encoded(
    track: str, group: Sequence[InstanceStock], buses: Sequence[tuple[str, BusStock]], request: LobbySettings
) -> KeptTrack:
    """The instance that most egress workers read goes on; of equals the newest: a move was under way to it."""
    reads = {one.instance: _of(track, frozenset(one.readers), buses) for one in group}
    best = max(group, key=lambda one: (len(reads[one.instance]), number_of(one.instance), one.instance))
    return KeptTrack(track, rendition_of(request, track), best, reads[best.instance])


def _buses(lobby: str, egresses: Mapping[str, EgressStock]) -> Iterator[tuple[str, BusStock]]:
    for id, stock in sorted(egresses.items()):
        for bus in stock.buses:
            if bus.track.partition("/")[0] == lobby:
                yield id, bus


def _of(track: str, readers: frozenset[str], buses: Sequence[tuple[str, BusStock]]) -> tuple[KeptBus, ...]:
    """The buses of a track that end at these readers, one for each egress worker."""
    found: dict[str, KeptBus] = {}
    for egress, bus in buses:
        if bus.track.partition("/")[2] != track:
            continue
        for name in (bus.bus, bus.waiting):
            if name is not None and name in readers:
                found.setdefault(egress, KeptBus(egress, name))
    return tuple(found.values())


# --- those who watch


def _holds(
    requests: Mapping[str, LobbySettings], lobbies: Mapping[str, KeptLobby], egresses: Mapping[str, EgressStock]
) -> tuple[tuple[KeptHold, ...], dict[str, list[tuple[str, str]]]]:
    """Those who stay, in the order in which they came, and who must go."""
    kept: dict[tuple[str, str, str], KeptHold] = {}
    kicks: dict[str, list[tuple[str, str]]] = {}
    seen: set[str] = set()
    for id, stock in sorted(egresses.items()):
        for hold in stock.holds:
            choice = _choice(requests, hold.lobby, hold.tracks)
            if choice is not None:
                kept[id, hold.hold, hold.lobby] = KeptHold(id, hold.lobby, choice, (), hold.hold)
        for viewer in stock.viewers:
            if viewer.viewer in seen:
                continue
            seen.add(viewer.viewer)
            choice = _choice(requests, viewer.lobby, viewer.tracks)
            key = id, viewer.hold or viewer.viewer, viewer.lobby
            described = kept.get(key)
            if choice is None or (viewer.protocol is Protocol.RTSP and described is None):
                kicks.setdefault(id, []).append((viewer.viewer, CHANGED if viewer.lobby in lobbies else GONE))
            elif viewer.protocol is Protocol.RTSP and described is not None:
                viewers = (*described.viewers, viewer)
                kept[key] = KeptHold(id, viewer.lobby, described.choice, viewers, viewer.hold)
            else:
                kept[key] = KeptHold(id, viewer.lobby, choice, (viewer,))
    order = sorted(kept.values(), key=lambda hold: min((one.since for one in hold.viewers), default=float("inf")))
    return tuple(order), kicks


def _choice(requests: Mapping[str, LobbySettings], lobby: str, tracks: Iterable[str]) -> Choice | None:
    request = requests.get(lobby)
    named = [key.partition("/") for key in tracks]
    if request is None or any(of != lobby for of, _, _ in named):
        return None
    return choice_of(request, [name for _, _, name in named])


def _unheld(id: str, stock: EgressStock, lobbies: Mapping[str, KeptLobby], holds: Iterable[KeptHold]) -> Iterator[str]:
    """Keys of tracks that nobody reads or holds any more."""
    held = Counter(
        f"{hold.lobby}/{track}"
        for hold in holds
        if hold.egress == id
        for track in (hold.choice.track, AUDIO if hold.choice.audio else None)
        if track is not None
    )
    fed = {
        f"{lobby.id}/{one.track}"
        for lobby in lobbies.values()
        for one in lobby.tracks
        for bus in one.buses
        if bus.egress == id
    }
    for key in sorted({bus.track for bus in stock.buses}):
        if key not in fed and not held[key]:
            yield key

"""What a new control plane goes on with: each worker is kept or ended, none is used twice, whatever was left."""

from __future__ import annotations

import random
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from steadycast.config.settings import LobbySettings
from steadycast.lobbies import adopting_stages as stages
from steadycast.lobbies.adopting import GONE, KeptBus, Plan, Wanted, choice_of, number_of, plan
from steadycast.model import Codec, EncoderOrder, Protocol, Rendition, TestSource, TrackInfo, TrackKind
from steadycast.workers.messages import ConfigureEgress, ShowDisplay, ShowSource, SourceFailed, SourceReady
from steadycast.workers.messages.stock import (
    BusStock,
    DisplayStock,
    EgressStock,
    HoldStock,
    InstanceStock,
    LobbyStock,
    Stock,
    ViewerStock,
)

SOUND = TrackInfo("audio", TrackKind.AUDIO, Codec.OPUS, 48000, channels=2)
PICTURE = TrackInfo("main", TrackKind.VIDEO, Codec.H264, 90000)
ORDER = EncoderOrder("software", "software", Codec.H264, "x264", ("x264enc",))
READY = SourceReady((SOUND,), 320, 240, 30.0)
CONFIGURED = ConfigureEgress(
    "127.0.0.1", (0, 0), None, (), {}, "r", 15, 65_536, 10, 30, 65_536, 65_536, 100, 15
)  # fmt: skip
LOBBIES = ("l_a", "l_b", "l_gone")


def asked(source: dict[str, object] | None = None) -> LobbySettings:
    return LobbySettings.model_validate({"name": "x", "source": source or {"kind": "test"}})


DESKTOP = {"kind": "desktop", "command": ["app"], "width": 320, "height": 240}


def stage(lobby: str, *instances: InstanceStock, ready: bool = True, **more: object) -> LobbyStock:
    order = ShowSource(lobby, TestSource(), epoch=f"epoch-{lobby}")
    return LobbyStock(order, READY if ready else None, None, instances, **more)  # type: ignore[arg-type]


def instance(name: str, *readers: str) -> InstanceStock:
    return InstanceStock(Rendition("main"), name, ORDER, PICTURE, None, readers)


def bus(lobby: str, name: str | None, waiting: str | None = None, track: str = "main") -> BusStock:
    return BusStock(f"{lobby}/{track}", PICTURE, f"epoch-{lobby}", name, waiting)


def viewer(name: str, lobby: str, **more: object) -> ViewerStock:
    tracks = (f"{lobby}/main",)
    return ViewerStock(name, Protocol.WHEP, lobby, tracks, 100.0, True, **more)  # type: ignore[arg-type]


def egress(*buses: BusStock, viewers: tuple[ViewerStock, ...] = (), holds: tuple[HoldStock, ...] = ()) -> EgressStock:
    return EgressStock(CONFIGURED, 5, False, buses, viewers, holds)


WANTED = (Wanted("l_a", asked()), Wanted("l_b", asked()))


def test_what_is_whole_goes_on_as_it_is() -> None:
    found: dict[str, Stock] = {
        "lobby-1": stage("l_a", instance("main.3", "bus1"), readers={"audio": ("bus2",)}),
        "egress-1": egress(bus("l_a", "bus1"), bus("l_a", "bus2", track="audio"), viewers=(viewer("v1", "l_a"),)),
    }
    made = plan(WANTED, found)
    (main, audio) = made.lobbies["l_a"].tracks
    assert main.instance is not None and main.instance.instance == "main.3"
    assert main.buses == (KeptBus("egress-1", "bus1"),) and audio.buses == (KeptBus("egress-1", "bus2"),)
    assert [hold.viewers[0].viewer for hold in made.holds] == ["v1"]
    assert not made.ended and not made.lobbies["l_a"].surplus and not made.lobbies["l_a"].loose
    assert made.egresses["egress-1"].close == () == made.egresses["egress-1"].kick


def test_what_has_another_bitrate_for_a_while_goes_on_as_the_rendition_that_is_wanted() -> None:
    request = LobbySettings.model_validate({"name": "x", "source": {"kind": "test"}, "renditions": [{"name": "main"}]})
    for other, goes_on in ((Rendition("main", bitrate_kbps=300), True), (Rendition("main", height=180), False)):
        lowered = InstanceStock(other, "main.3", ORDER, PICTURE, None, ("bus1",))
        found: dict[str, Stock] = {"lobby-1": stage("l_a", lowered), "egress-1": egress(bus("l_a", "bus1"))}
        made = plan((Wanted("l_a", request),), found).lobbies["l_a"]
        assert [one.encode for one in made.tracks] == [Rendition("main")] * goes_on
        assert made.surplus == (() if goes_on else ("main.3",))


def test_of_two_workers_the_one_that_is_read_stays() -> None:
    found: dict[str, Stock] = {
        "lobby-1": stage("l_a", instance("main.1")),
        "lobby-2": stage("l_a", instance("main.2", "bus1")),
        "lobby-3": stage("l_a", ready=False),
        "egress-1": egress(bus("l_a", "bus1")),
    }
    made = plan(WANTED, found)
    assert made.lobbies["l_a"].stage == "lobby-2"
    assert dict(made.ended) == {"lobby-1": stages.SURPLUS, "lobby-3": stages.SURPLUS}


def test_who_is_not_wanted_ends_with_why() -> None:
    failed = LobbyStock(ShowSource("l_a", TestSource()), None, SourceFailed("source.x", "it failed"))
    found: dict[str, Stock] = {
        "lobby-1": stage("l_gone"),
        "lobby-2": LobbyStock(ShowSource("l_b", TestSource(width=64, height=64)), READY),
        "lobby-3": failed,
        "lobby-4": LobbyStock(),
        "display-1": DisplayStock(ShowDisplay("l_gone", ("app",), 320, 240), ":7", "/x"),
        "display-2": DisplayStock(),
    }
    made = plan(WANTED, found)
    causes = {"lobby-1": stages.UNWANTED, "lobby-2": stages.CHANGED, "lobby-3": stages.FAILED}
    assert dict(made.ended) == {**causes, "display-1": stages.UNWANTED, "display-2": stages.IDLE}
    assert made.spares == ("lobby-4",)


def test_a_desktop_goes_on_only_with_the_display_that_its_worker_captures() -> None:
    request = asked(DESKTOP)
    order = ShowDisplay("l_a", ("app",), 320, 240)
    shown = ShowSource("l_a", request.source, ":7", "/x")
    lost = ShowSource("l_a", request.source, ":9", "/y")
    found: dict[str, Stock] = {
        "display-1": DisplayStock(order, ":7", "/x", shown_s=5.0),
        "display-2": DisplayStock(order, ":8", "/z", shown_s=50.0),
        "lobby-1": LobbyStock(shown, READY),
        "lobby-2": LobbyStock(lost, READY),
    }
    made = plan((Wanted("l_a", request, ("app",)),), found)
    kept = made.lobbies["l_a"]
    assert (kept.display, kept.stage) == ("display-1", "lobby-1")
    assert dict(made.ended) == {"display-2": stages.SURPLUS, "lobby-2": stages.SURPLUS}
    without = plan((Wanted("l_a", request, ("app",)),), {"lobby-2": found["lobby-2"]})
    assert dict(without.ended) == {"lobby-2": stages.NO_DISPLAY}


def test_a_move_that_was_under_way_ends_where_most_read() -> None:
    old, new = instance("main.1", "old1"), instance("main.2", "new1", "new2")
    found: dict[str, Stock] = {
        "lobby-1": stage("l_a", old, new),
        "egress-1": egress(bus("l_a", "old1", waiting="new1")),
        "egress-2": egress(bus("l_a", "new2")),
    }
    kept = plan(WANTED, found).lobbies["l_a"]
    (track,) = kept.tracks
    assert track.instance is not None and track.instance.instance == "main.2"
    assert track.buses == (KeptBus("egress-1", "new1"), KeptBus("egress-2", "new2"))
    assert kept.surplus == ("main.1",)


def test_readers_that_no_egress_worker_knows_are_let_go() -> None:
    found: dict[str, Stock] = {"lobby-1": stage("l_a", instance("main.1", "gone"), readers={"audio": ("gone2",)})}
    assert plan(WANTED, found).lobbies["l_a"].loose == (("audio", "gone2"), ("main.1", "gone"))


def test_viewers_of_lobbies_that_are_gone_must_go_and_their_tracks_are_closed() -> None:
    hold = HoldStock("h1", "l_gone", ("l_gone/main",))
    watching = egress(bus("l_gone", "b"), bus("l_b", None), viewers=(viewer("v1", "l_gone"),), holds=(hold,))
    made = plan(WANTED, {"egress-1": watching})
    assert made.egresses["egress-1"].kick == (("v1", GONE),)
    assert made.egresses["egress-1"].close == ("l_b/main", "l_gone/main") and not made.holds


def test_rtsp_connections_keep_what_they_described() -> None:
    described = HoldStock("h1", "l_a", ("l_a/main", "l_a/audio"))
    playing = ViewerStock("p1", Protocol.RTSP, "l_a", ("l_a/main",), 5.0, True, "127.0.0.1:5", "tcp", hold="h1")
    stray = ViewerStock("p2", Protocol.RTSP, "l_a", ("l_a/main",), 5.0, True, hold="h2")
    made = plan(WANTED, {"egress-1": egress(bus("l_a", None), viewers=(playing, stray), holds=(described,))})
    (hold,) = made.holds
    assert hold.connection == "h1" and hold.viewers == (playing,) and hold.choice.audio
    assert [name for name, _ in made.egresses["egress-1"].kick] == ["p2"]


def test_choices_are_what_led_to_the_tracks() -> None:
    plain = asked()
    declared = LobbySettings.model_validate(
        {"name": "x", "source": {"kind": "test"}, "renditions": [{"name": "as-is", "codec": "copy"}, {"name": "low"}]}
    )
    assert (one := choice_of(plain, ["main", "audio"])) is not None and (one.rendition, one.audio) == ("main", True)
    assert (one := choice_of(plain, ["copy"])) is not None and (one.rendition, one.encode) == ("copy", None)
    assert (one := choice_of(declared, ["copy"])) is not None and one.rendition == "as-is"
    assert choice_of(declared, ["main"]) is None and choice_of(plain, []) is None
    assert choice_of(plain, ["audio"]) is not None
    assert number_of("main.12") == 12 and number_of("odd") == 0


names = st.sampled_from(["b1", "b2", "b3", "b4"])
some_instances = st.lists(
    st.builds(
        lambda number, readers: instance(f"main.{number}", *readers), st.integers(1, 5), st.lists(names, max_size=3)
    ),
    max_size=3,
    unique_by=lambda one: one.instance,
)
some_stages = st.builds(
    lambda lobby, made, ready, sound: stage(lobby, *made, ready=ready, readers={"audio": tuple(sound)}),
    st.sampled_from(LOBBIES), some_instances, st.booleans(), st.lists(names, max_size=2),
)  # fmt: skip
some_buses = st.builds(
    lambda lobby, name, waiting, track: bus(lobby, name, waiting, track),
    st.sampled_from(LOBBIES), st.none() | names, st.none() | names, st.sampled_from(["main", "audio", "copy"]),
)  # fmt: skip
some_viewers = st.builds(
    lambda name, lobby: viewer(name, lobby), st.sampled_from(["v1", "v2", "v3"]), st.sampled_from(LOBBIES)
)
some_holds = st.builds(
    lambda name, lobby: HoldStock(name, lobby, (f"{lobby}/main",)),
    st.sampled_from(["h1", "h2"]),
    st.sampled_from(LOBBIES),
)
some_egresses = st.builds(
    lambda buses, viewers, holds: egress(*buses, viewers=tuple(viewers), holds=tuple(holds)),
    st.lists(some_buses, max_size=5, unique_by=lambda one: one.track),
    st.lists(some_viewers, max_size=3, unique_by=lambda one: one.viewer),
    st.lists(some_holds, max_size=2, unique_by=lambda one: (one.hold, one.lobby)),
)
some_displays = st.builds(
    lambda lobby, size: DisplayStock(ShowDisplay(lobby, ("app",), size, 240), ":7", "/x"),
    st.sampled_from(LOBBIES), st.sampled_from([320, 640]),
)  # fmt: skip
found_workers = st.dictionaries(
    st.integers(0, 99).map(lambda number: f"worker-{number}"),
    some_stages | some_egresses | some_displays | st.just(LobbyStock()) | st.just(EgressStock()),
    max_size=8,
)
wanted_lobbies = st.sampled_from([(), WANTED[:1], WANTED, (Wanted("l_a", asked(DESKTOP), ("app",)), WANTED[1])])


def used(made: Plan) -> list[str]:
    shown = [id for one in made.lobbies.values() for id in (one.display, one.stage) if id is not None]
    return [*shown, *made.egresses, *made.spares, *made.ended]


@given(wanted_lobbies, found_workers, st.randoms(use_true_random=False))
def test_each_worker_has_one_fate(wanted: tuple[Wanted, ...], found: dict[str, Stock], dice: random.Random) -> None:
    made = plan(wanted, found)
    assert sorted(used(made)) == sorted(found)
    assert set(made.lobbies) == {one.id for one in wanted}
    shuffled = list(found.items())
    dice.shuffle(shuffled)
    assert plan(wanted, dict(shuffled)) == made


@given(wanted_lobbies, found_workers)
def test_what_is_kept_is_there(wanted: tuple[Wanted, ...], found: dict[str, Stock]) -> None:
    made = plan(wanted, found)
    for lobby in made.lobbies.values():
        there = found.get(lobby.stage) if lobby.stage is not None else None
        names = {one.instance for one in there.instances} if isinstance(there, LobbyStock) else set()
        goes_on = [one.instance.instance for one in lobby.tracks if one.instance is not None]
        assert len(goes_on) == len(set(goes_on))
        assert sorted({*goes_on, *lobby.surplus}) == sorted(names) or not lobby.tracks
        assert not set(goes_on) & set(lobby.surplus)
        for track in lobby.tracks:
            assert len({one.egress for one in track.buses}) == len(track.buses)
            for one in track.buses:
                stock = found[one.egress]
                assert isinstance(stock, EgressStock)
                assert any(one.name in (bus.bus, bus.waiting) for bus in stock.buses)
    viewers = [one.viewer for hold in made.holds for one in hold.viewers]
    kicked = [name for one in made.egresses.values() for name, _ in one.kick]
    assert len(viewers) == len(set(viewers)) and not set(viewers) & set(kicked)
    assert all(hold.lobby in made.lobbies for hold in made.holds)


@given(wanted_lobbies, found_workers)
def test_going_on_once_more_changes_nothing(wanted: tuple[Wanted, ...], found: dict[str, Stock]) -> None:
    """Where the next control plane comes before anything was done but the ends, it decides the same."""
    made = plan(wanted, found)
    left: Mapping[str, Stock] = {id: stock for id, stock in found.items() if id not in made.ended}
    again = plan(wanted, left)
    assert not again.ended
    assert (again.lobbies, again.egresses, again.spares, again.holds) == (
        made.lobbies,
        made.egresses,
        made.spares,
        made.holds,
    )

"""Which tracks a viewer gets: a copy wherever it can take one, never something it did not offer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.errors import CallerError, NotFoundError, SteadycastError
from steadycast.lobbies.choose import AUDIO, COPY, choose
from steadycast.model import Codec, Protocol, Rendition, TrackInfo, TrackKind

BROWSER = frozenset({Codec.H264, Codec.OPUS})


def video(codec: Codec, reorders: bool | None, **fmtp: str) -> TrackInfo:
    named = {name.replace("_", "-"): value for name, value in fmtp.items()}
    return TrackInfo(COPY, TrackKind.VIDEO, codec, 90000, reorders=reorders, fmtp=named)


SOUND = TrackInfo(AUDIO, TrackKind.AUDIO, Codec.OPUS, 48000, channels=2)
TRACKS = st.builds(
    lambda copy, sound: {t.name: t for t in (copy, sound) if t is not None},
    st.none() | st.builds(video, st.sampled_from([Codec.H264, Codec.H265]), st.sampled_from([None, True, False])),
    st.sampled_from([None, SOUND]),
)
DECLARED = st.sampled_from(
    [(), (Rendition("low"),), (Rendition("c", "copy"), Rendition("x", "vp9")), (Rendition("c", "copy"),)]
)


@given(
    st.sampled_from(Protocol),
    st.none() | st.frozensets(st.sampled_from(Codec)),
    st.sampled_from([None, "main", "main-av1", "copy", "low", "c", "x", "none"]),
    DECLARED,
    TRACKS,
)
def test_nothing_is_sent_that_the_viewer_cannot_show(
    protocol: Protocol,
    codecs: frozenset[Codec] | None,
    asked: str | None,
    declared: tuple[Rendition, ...],
    tracks: dict[str, TrackInfo],
) -> None:
    try:
        choice = choose(protocol, codecs, asked, declared, tracks)
    except SteadycastError as error:
        assert error.hint
        return
    assert not choice.audio or (AUDIO in tracks and (codecs is None or Codec.OPUS in codecs))
    if choice.track == COPY:
        track = tracks[COPY]
        assert choice.encode is None and (codecs is None or track.codec in codecs)
        assert protocol is not Protocol.WHEP or track.reorders is False
    elif choice.track is not None:
        assert choice.encode is not None
        assert codecs is None or Codec(choice.encode.codec) in codecs
    else:
        assert choice.audio and codecs == frozenset({Codec.OPUS})
    assert asked is None or choice.rendition == asked


def test_an_h264_camera_costs_no_encoder() -> None:
    tracks = {COPY: video(Codec.H264, False), AUDIO: SOUND}
    for protocol, codecs in ((Protocol.WHEP, BROWSER), (Protocol.RTSP, None)):
        choice = choose(protocol, codecs, None, (), tracks)
        assert (choice.track, choice.encode, choice.audio) == (COPY, None, True)


@pytest.mark.parametrize("track", [video(Codec.H264, True), video(Codec.H264, None), video(Codec.H265, False)])
def test_browsers_get_an_encoding_of_what_they_cannot_play(track: TrackInfo) -> None:
    choice = choose(Protocol.WHEP, BROWSER, None, (), {COPY: track})
    assert choice.rendition == "main" and choice.encode is not None
    assert choose(Protocol.RTSP, None, None, (), {COPY: track}).track == COPY


@pytest.mark.parametrize("profile", ["f4001e", "6e001e", "7a001e", "nonsense"])  # 4:4:4, 10 bits, 4:2:2
def test_browsers_get_no_profile_that_they_do_not_play(profile: str) -> None:
    tracks = {COPY: video(Codec.H264, False, profile_level_id=profile)}
    assert choose(Protocol.WHEP, BROWSER, None, (), tracks).rendition == "main"
    assert choose(Protocol.RTSP, None, None, (), tracks).track == COPY
    with pytest.raises(CallerError) as refused:
        choose(Protocol.WHEP, BROWSER, "copy", (), tracks)
    assert "in a profile that browsers do not play" in str(refused.value.why)


@pytest.mark.parametrize("profile", ["42e01e", "42001e", "4d001e", "64001e", "640c1e"])
def test_what_browsers_play_is_passed_on(profile: str) -> None:
    tracks = {COPY: video(Codec.H264, False, profile_level_id=profile)}
    assert choose(Protocol.WHEP, BROWSER, None, (), tracks).track == COPY


def test_sound_alone_of_a_lobby_without_sound_is_refused_in_these_words() -> None:
    with pytest.raises(CallerError) as refused:
        choose(Protocol.WHEP, {Codec.OPUS}, None, (), {COPY: video(Codec.H264, False)})
    assert refused.value.what == "This lobby has no sound." and refused.value.status == 406


def test_h265_of_ten_bits_is_encoded_for_a_browser() -> None:
    takes = BROWSER | {Codec.H265}
    for profile, track in (("1", COPY), ("2", "main")):
        tracks = {COPY: video(Codec.H265, False, profile_id=profile)}
        assert choose(Protocol.WHEP, takes, None, (), tracks).track == track


def test_declared_renditions_are_all_there_is() -> None:
    tracks = {COPY: video(Codec.H264, False)}
    assert choose(Protocol.RTSP, None, None, (Rendition("low"), Rendition("lower")), tracks).rendition == "low"
    with pytest.raises(NotFoundError) as unknown:
        choose(Protocol.RTSP, None, "main", (Rendition("low"),), tracks)
    assert unknown.value.hint is not None and "low" in unknown.value.hint


@pytest.mark.parametrize(
    ("codecs", "declared", "words"),
    [
        (frozenset(), (), "H.264 (packetization mode 1)"),
        (frozenset({Codec.OPUS}), (), "sound only"),
        (frozenset({Codec.H265}), (Rendition("low"), Rendition("web", "vp9")), "VP9"),
    ],
)
def test_406_says_what_is_possible(codecs: frozenset[Codec], declared: tuple[Rendition, ...], words: str) -> None:
    with pytest.raises(CallerError) as none:
        choose(Protocol.WHEP, codecs, None, declared, {})
    assert none.value.status == 406 and none.value.hint is not None
    assert none.value.why is not None and words in none.value.why


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.VP9, Codec.AV1, Codec.H265])
def test_a_player_without_h264_gets_what_it_takes(codec: Codec) -> None:
    choice = choose(Protocol.WHEP, {codec, Codec.OPUS}, None, (), {})
    assert choice.encode is not None and Codec(choice.encode.codec) is codec
    assert choose(Protocol.RTSP, None, choice.rendition, (), {}) == choice


def test_declared_codecs_are_taken_in_their_order() -> None:
    declared = (Rendition("new", "av1"), Rendition("old"))
    assert choose(Protocol.WHEP, {Codec.H264, Codec.AV1}, None, declared, {}).rendition == "new"
    assert choose(Protocol.WHEP, {Codec.H264, Codec.VP8}, None, declared, {}).rendition == "old"

"""Addresses, Transport headers, digest, SDP and the session's state: the decisions of the RTSP server."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.rtsp.address import Address, parse_address
from steadycast.egress.rtsp.describe import Described, session_description
from steadycast.egress.rtsp.digest import NONCE_S, DigestLogin
from steadycast.egress.rtsp.protocol import Request
from steadycast.egress.rtsp.session import Session, State, named_session, refusal, track_for_setup
from steadycast.egress.rtsp.transport import Channels, UdpPorts, choose_transport
from steadycast.model import Codec, TrackInfo, TrackKind


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("*", Address("", "*")),
        ("rtsp://h:8554/lobby", Address("lobby", "rtsp://h:8554/lobby")),
        ("rtsp://h/lobby/", Address("lobby", "rtsp://h/lobby")),
        ("rtsp://user:pw@h/lobby?x=1", Address("lobby", "rtsp://h/lobby")),
        ("rtsp://h/my%20lobby/main", Address("my lobby/main", "rtsp://h/my%20lobby/main")),
        ("rtsp://h/lobby/trackID=1", Address("lobby", "rtsp://h/lobby", 1)),
        ("rtsp://[::1]:8554/l/r/trackID=0", Address("l/r", "rtsp://[::1]:8554/l/r", 0)),
        ("/lobby", Address("lobby", "/lobby")),
        ("http://h/lobby", None),
        ("rtsp:///lobby", None),
        ("rtsp://h/../etc", None),
        ("rtsp://h/a%2f%2e%2e%2fb", None),
        ("rtsp://h/a%00b", None),
        ("rtsp://h/a%ff", None),
        ("rtsp://[h/a", None),
        ("rtsp://h/" + "a" * 300, None),
    ],
)
def test_addresses(url: str, address: Address | None) -> None:
    assert parse_address(url) == address


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_any_address_is_parsed_or_refused(text: str) -> None:
    for url in (text, f"rtsp://h/{text}"):
        if (address := parse_address(url)) is not None:
            assert ".." not in address.path.split("/") and len(address.path) <= 256


@pytest.mark.parametrize(
    ("header", "taken", "chosen"),
    [
        ("RTP/AVP;unicast;client_port=5000-5001", (), UdpPorts(5000, 5001)),
        ("RTP/AVP/UDP;unicast;client_port=5000", (), UdpPorts(5000, 5001)),
        ("RTP/AVP;unicast;destination=10.0.0.1;client_port=5000-5001", (), UdpPorts(5000, 5001)),
        ("RTP/AVP/TCP;unicast;interleaved=2-3", (), Channels(2, 3)),
        ("RTP/AVP/TCP;unicast", (0, 1), Channels(2, 3)),
        ("RTP/AVP/TCP;interleaved=0-1", (1,), None),
        ("RTP/AVP/TCP;interleaved=254-256", (), None),
        ("RTP/AVP;multicast", (), None),
        ("RTP/SAVP;unicast;client_port=1-2", (), None),
        ("RTP/SAVP;unicast;client_port=5-6,RTP/AVP;multicast,RTP/AVP/TCP;interleaved=0-1", (), Channels(0, 1)),
        ("RTP/AVP;unicast;client_port=0-1", (), None),
        ("RTP/AVP;unicast;client_port=65535", (), None),
        ("RTP/AVP;unicast;client_port=5000-70000", (), None),
        ("RTP/AVP;unicast;client_port=a-b", (), None),
        ('RTP/AVP/TCP;unicast;interleaved=0-1;mode="RECORD"', (), None),
        ("RTP/AVP;unicast", (), None),
        ("", (), None),
    ],
)
def test_transports(header: str, taken: tuple[int, ...], chosen: UdpPorts | Channels | None) -> None:
    assert choose_transport(header, frozenset(taken)) == chosen


@given(st.text(max_size=80), st.frozensets(st.integers(0, 255), max_size=256))
def test_any_transport_header_is_answered(text: str, taken: frozenset[int]) -> None:
    for header in (text, f"RTP/AVP/TCP;{text}", f"RTP/AVP;client_port={text}"):
        way = choose_transport(header, taken)
        if isinstance(way, Channels):
            assert way.rtp != way.rtcp and not taken & {way.rtp, way.rtcp}
        elif way is not None:
            assert 1 <= way.rtp <= 65535 and 1 <= way.rtcp <= 65535


# --- digest ---


def ha1(algorithm: str, password: str = "secret") -> str:
    return hashlib.new(algorithm.replace("-", "").lower(), f"viewer:Steadycast:{password}".encode()).hexdigest()


def answer(algorithm: str, challenge: str, password: str = "secret", uri: str = "rtsp://h/lobby") -> Request:
    def digest(text: str) -> str:
        return hashlib.new(algorithm.replace("-", "").lower(), text.encode()).hexdigest()

    nonce = challenge.partition('nonce="')[2].partition('"')[0]
    response = digest(f"{ha1(algorithm, password)}:{nonce}:{digest(f'DESCRIBE:{uri}')}")
    header = (
        f'Digest username="viewer", realm="Steadycast", nonce="{nonce}", uri="{uri}", response="{response}", '
        f"algorithm={algorithm}"
    )
    return Request("DESCRIBE", "rtsp://h/lobby", {"authorization": header})


ASK = Request("DESCRIBE", "rtsp://h/lobby")
BOTH = {"MD5": ha1("MD5"), "SHA-256": ha1("SHA-256")}


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_right_password_comes_in_and_a_wrong_one_does_not(algorithm: str) -> None:
    login = DigestLogin(BOTH, "Steadycast")
    refused = login.check(ASK, 0)
    assert not refused.allowed and len(refused.challenges) == 2
    assert all("stale" not in challenge for challenge in refused.challenges)
    assert login.check(answer(algorithm, refused.challenges[0]), 1).allowed
    wrong = login.check(answer(algorithm, refused.challenges[0], "wrong"), 2)
    assert not wrong.allowed and wrong.challenges == refused.challenges
    other = login.check(answer(algorithm, refused.challenges[0], uri="rtsp://h/other"), 2)
    assert not other.allowed and other.challenges == refused.challenges


def test_an_old_or_foreign_nonce_is_stale_only_for_somebody_who_knows_the_password() -> None:
    login, other = DigestLogin(BOTH, "Steadycast"), DigestLogin(BOTH, "Steadycast")
    first = login.check(ASK, 0).challenges[0]
    late = login.check(answer("MD5", first), NONCE_S + 1)
    assert not late.allowed and "stale=true" in late.challenges[0] and late.challenges[0] != first
    assert login.check(answer("MD5", late.challenges[0]), NONCE_S + 2).allowed
    assert not login.check(answer("MD5", first), NONCE_S + 3).allowed
    overheard = other.check(answer("MD5", late.challenges[0]), 0)
    assert not overheard.allowed and "stale=true" in overheard.challenges[0]
    assert "stale" not in other.check(answer("MD5", first, "wrong"), 0).challenges[0]


def test_without_a_login_everybody_comes_in() -> None:
    assert DigestLogin({}, "x").check(ASK, 0).allowed


@given(st.text(max_size=100))
def test_any_authorization_header_is_refused(text: str) -> None:
    login = DigestLogin(BOTH, "Steadycast")
    for header in (text, f"Digest {text}", f"Basic {text}"):
        assert not login.check(Request("DESCRIBE", "rtsp://h/lobby", {"authorization": header}), 0).allowed


# --- SDP ---

VIDEO = TrackInfo(
    "main", TrackKind.VIDEO, Codec.H264, 90000, width=1280, height=720, fps=30,
    fmtp={"profile-level-id": "42c01f", "sprop-parameter-sets": "Z0LAH9k=,aMuDyyA=", "evil": "1\r\nm=x"},
)  # fmt: skip
AUDIO = TrackInfo("audio", TrackKind.AUDIO, Codec.OPUS, 48000, channels=2)


def test_the_description_names_tracks_and_parameters() -> None:
    sdp = session_description(
        "A lobby\r\nm=evil", [Described(96, VIDEO), Described(97, AUDIO)], "127.0.0.1", 5
    ).decode()
    lines = sdp.split("\r\n")
    assert lines[0] == "v=0" and "o=- 5 1 IN IP4 127.0.0.1" in lines and "a=control:*" in lines
    assert "a=rtpmap:96 H264/90000" in lines and "a=rtpmap:97 OPUS/48000/2" in lines
    assert "a=fmtp:96 packetization-mode=1; profile-level-id=42c01f; sprop-parameter-sets=Z0LAH9k=,aMuDyyA=" in lines
    assert "a=framerate:30" in lines and "a=framesize:96 1280-720" in lines
    assert [line for line in lines if line.startswith("a=control:")][1:] == [
        "a=control:trackID=0",
        "a=control:trackID=1",
    ]
    assert [line[:7] for line in lines if line.startswith("m=")] == ["m=video", "m=audio"]


def test_unknown_size_and_rate_are_left_out() -> None:
    info = TrackInfo("copy", TrackKind.VIDEO, Codec.H265, 90000, fmtp={"sprop-vps": "QAE=", "sprop-sps": "QgE="})
    sdp = session_description("x", [Described(98, info)], "::1", 1).decode()
    assert "framerate" not in sdp and "framesize" not in sdp
    assert "a=rtpmap:98 H265/90000" in sdp and "sprop-vps=QAE=; sprop-sps=QgE=" in sdp and "IN IP6 ::1" in sdp


# --- session ---

WHOLE, FIRST, SECOND = Address("l", ""), Address("l", "", 0), Address("l", "", 1)


def session(state: State, tracks: int = 2) -> Session:
    return Session("abc", "l", state, {track: UdpPorts(5000 + 2 * track, 5001 + 2 * track) for track in range(tracks)})


@pytest.mark.parametrize(
    ("method", "named", "address", "session", "status"),
    [
        ("OPTIONS", None, WHOLE, None, None),
        ("OPTIONS", "zzz", WHOLE, session(State.READY), 454),
        ("GET_PARAMETER", "abc", WHOLE, session(State.PLAYING), None),
        ("GET_PARAMETER", "abc", WHOLE, None, 454),
        ("PLAY", None, WHOLE, None, 454),
        ("PLAY", None, WHOLE, session(State.READY), 454),
        ("PLAY", "abc", WHOLE, session(State.READY), None),
        ("PLAY", "abc", FIRST, session(State.READY), 460),
        ("PLAY", "abc", FIRST, session(State.READY, 1), None),
        ("PLAY", "abc", SECOND, session(State.READY, 1), 455),
        ("PLAY", "abc", Address("other", ""), session(State.READY), 404),
        ("PAUSE", "abc", SECOND, session(State.PLAYING), 460),
        ("SETUP", None, FIRST, None, None),
        ("SETUP", "abc", FIRST, None, 454),
        ("SETUP", "abc", SECOND, session(State.READY, 1), None),
        ("SETUP", "abc", SECOND, session(State.PLAYING, 1), 455),
        ("SETUP", "abc", Address("other", "", 0), session(State.READY), 455),
        ("TEARDOWN", "abc", WHOLE, session(State.PLAYING), None),
        ("TEARDOWN", "abc", FIRST, session(State.PLAYING), 460),
        ("TEARDOWN", "abc", FIRST, session(State.READY), None),
    ],
)
def test_what_a_session_allows(
    method: str, named: str | None, address: Address, session: Session | None, status: int | None
) -> None:
    assert refusal(method, named, address, session) == status


def test_small_session_facts() -> None:
    assert named_session("abc;timeout=60") == "abc" and named_session(None) is None
    assert [track_for_setup(a, n) for a, n in ((WHOLE, 1), (WHOLE, 2), (SECOND, 2), (SECOND, 1))] == [0, None, 1, None]
    used = Session("a", "l", transports={0: Channels(0, 1), 1: Channels(2, 3)})
    assert used.taken_channels() == {0, 1, 2, 3} and used.taken_channels(but=1) == {0, 1}

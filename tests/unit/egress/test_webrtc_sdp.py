"""Offers are read, payload types chosen and answers written as the RFCs and browsers want them."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.webrtc.answer import LocalSide, plan_answer, write_answer
from steadycast.egress.webrtc.candidate import Candidate, parse_candidate, priority_of
from steadycast.egress.webrtc.fragment import parse_fragment, write_fragment
from steadycast.egress.webrtc.profiles import H264Profile, h264_profile
from steadycast.egress.webrtc.sdp import TRANSPORT_NUMBERS, offered_codecs
from steadycast.errors import CallerError
from steadycast.model import Codec, TrackInfo, TrackKind
from tests.support.webrtc_offers import CHROME, DATA_SECTION, FINGERPRINT

VIDEO = TrackInfo("main", TrackKind.VIDEO, Codec.H264, 90_000, fmtp={"profile-level-id": "42e01f"})
AUDIO = TrackInfo("audio", TrackKind.AUDIO, Codec.OPUS, 48_000, channels=2)
TRACKS = {"l/main": VIDEO, "l/audio": AUDIO}
HOST = Candidate("host0", priority_of("host"), "192.0.2.2", 7000, "host")


def answer(sdp: str, tracks: dict[str, TrackInfo] = TRACKS) -> list[list[str]]:
    """The sections of the answer, the session first."""
    plan = plan_answer(offered_codecs(sdp), tracks)
    ssrcs = {choice.track: 1000 + index for index, choice in plan.choices.items()}
    text = write_answer(plan, LocalSide(1, "user", "p" * 24, "AA:BB", "cname", ssrcs, [HOST]))
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    sections: list[list[str]] = [[]]
    for line in text.split("\r\n")[:-1]:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def test_reads_what_chrome_offers() -> None:
    offer = offered_codecs(CHROME)
    assert offer.codecs == set(Codec) - {Codec.VP9}  # its VP9 is of profile 2
    assert offer.bundle == ("0", "1")
    video, audio = offer.media
    assert [codec.payload_type for codec in video.codecs if codec.codec is Codec.H264] == [103, 109, 114, 116]
    assert video.transport is not None and audio.transport is not None
    assert video.transport.fingerprints == (("sha-256", FINGERPRINT),)
    # The .local name and the TCP candidate are of no use.
    assert [candidate.address for candidate in video.transport.candidates] == ["198.51.100.9"]
    assert offered_codecs(CHROME.encode()) == offer


def test_answers_chrome() -> None:
    session, video, audio = answer(CHROME)
    assert "a=group:BUNDLE 0 1" in session and "a=ice-lite" not in session
    assert video[0] == "m=video 9 UDP/TLS/RTP/SAVPF 109"
    assert audio[0] == "m=audio 9 UDP/TLS/RTP/SAVPF 111"
    for section in (video, audio):
        for line in ("a=sendonly", "a=rtcp-mux", "a=setup:passive", "a=fingerprint:sha-256 AA:BB", "a=ice-ufrag:user"):
            assert line in section
    assert {"a=rtcp-fb:109 nack", "a=rtcp-fb:109 nack pli", "a=rtcp-fb:109 ccm fir"} <= set(video)
    assert "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1" in audio
    streams = {line.split()[0] for section in (video, audio) for line in section if line.startswith("a=msid:")}
    assert len(streams) == 1
    assert [line for line in video if line.startswith("a=candidate")] == [f"a={HOST.line()}"]
    assert "a=end-of-candidates" in video


@pytest.mark.parametrize(
    ("sent", "taken"),
    [("42e01f", 109), ("42c01f", 109), ("42001f", 103), ("4d0028", 114), ("640028", 116), ("f4001f", 103)],
)
def test_takes_the_payload_type_of_the_profile(sent: str, taken: int) -> None:
    track = TrackInfo("copy", TrackKind.VIDEO, Codec.H264, 90_000, fmtp={"profile-level-id": sent})
    _, video, _ = answer(CHROME, {"l/copy": track, "l/audio": AUDIO})
    assert video[0] == f"m=video 9 UDP/TLS/RTP/SAVPF {taken}"


def test_a_higher_profile_is_better_than_a_lower_one() -> None:
    main = TrackInfo("copy", TrackKind.VIDEO, Codec.H264, 90_000, fmtp={"profile-level-id": "4d001f"})
    sdp = CHROME.replace("profile-level-id=4d001f", "profile-level-id=42001f")
    assert answer(sdp, {"l/copy": main})[1][0].endswith(" 116")


def test_h265() -> None:
    track = TrackInfo("copy", TrackKind.VIDEO, Codec.H265, 90_000)
    _, video, _ = answer(CHROME, {"l/copy": track})
    assert video[0].endswith(" 117")
    assert "a=rtcp-fb:117 nack pli" in video and "a=rtcp-fb:117 nack" not in video


def test_sections_keep_their_order_and_what_is_not_sent_is_said() -> None:
    _, video, audio, data = answer(CHROME + DATA_SECTION, {"l/audio": AUDIO})
    assert "a=inactive" in video and video[0].startswith("m=video 9 ")
    assert "a=sendonly" in audio and any(line.startswith("a=candidate") for line in audio)
    assert data[0] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"


def test_only_audio_or_only_video() -> None:
    head, video, audio = re.split(r"(?=^m=)", CHROME, flags=re.MULTILINE)
    assert answer(head + video)[1][0] == "m=video 9 UDP/TLS/RTP/SAVPF 109"
    assert answer(head + audio)[1][0] == "m=audio 9 UDP/TLS/RTP/SAVPF 111"


@pytest.mark.parametrize(("direction", "sent"), [("sendrecv", True), ("sendonly", False), ("inactive", False)])
def test_directions(direction: str, sent: bool) -> None:
    sdp = CHROME.replace("a=recvonly", f"a={direction}", 1)
    _, video, audio = answer(sdp)
    assert ("a=sendonly" in video) is sent and ("a=inactive" in video) is not sent
    assert "a=sendonly" in audio


def test_one_transport_only() -> None:
    """Without BUNDLE there would be a second port: the picture is sent, the sound refused."""
    session, video, audio = answer(CHROME.replace("a=group:BUNDLE 0 1\n", ""))
    assert "a=sendonly" in video and audio[0].startswith("m=audio 0 ")
    assert not any("BUNDLE" in line for line in session)


def test_bundled_sections_may_leave_the_transport_to_the_first() -> None:
    head, video, audio = re.split(r"(?=^m=)", CHROME, flags=re.MULTILINE)
    bare = re.sub(r"^a=(ice|fingerprint|setup).*\n", "", audio, flags=re.MULTILINE)
    bare = bare.replace("m=audio 9", "m=audio 0").replace("a=mid:1", "a=mid:1\na=bundle-only")
    assert "a=sendonly" in answer(head + video + bare)[2]


@pytest.mark.parametrize(
    ("extension", "taken"),
    [("3", "3"), ("14/recvonly", "14"), ("15", None), ("0", None), ("-1", None), ("300", None), ("x", None)],
)
def test_arrivals_are_told_where_packets_can_be_numbered(extension: str, taken: str | None) -> None:
    number = f"a=extmap:{extension} {TRANSPORT_NUMBERS}"
    both = "a=rtcp-fb:109 goog-remb\na=rtcp-fb:109 transport-cc\na=rtpmap:109 "
    offer = CHROME.replace("a=extmap:1 urn:ietf:params:rtp-hdrext:toffset", number).replace("a=rtpmap:109 ", both)
    _, video, audio = answer(offer)
    numbers = [line for line in (*video, *audio) if line.startswith("a=extmap")]
    assert numbers == ([] if taken is None else [f"a=extmap:{taken} {TRANSPORT_NUMBERS}"])
    assert ("a=rtcp-fb:109 transport-cc" in video) is (taken is not None)
    assert ("a=rtcp-fb:109 goog-remb" in video) is (taken is None)


def test_the_passive_browser_makes_us_active() -> None:
    assert "a=setup:active" in answer(CHROME.replace("a=setup:actpass", "a=setup:passive"))[1]


@pytest.mark.parametrize(
    ("sdp", "code", "status"),
    [
        ("", "sdp.empty", 400),
        (" \r\n", "sdp.empty", 400),
        ("v=0\r\n" + "a=x\r\n" * 20_000, "sdp.too_large", 413),
        (b"\xff\xfe\x00", "sdp.binary", 400),
        ("v=0\r\n\0", "sdp.binary", 400),
        ("hello", "sdp.malformed", 400),
        ("v=0\r\nthis is no SDP\r\n", "sdp.malformed", 400),
        ("v=0\r\nm=video\r\n", "sdp.malformed", 400),
        ("v=0\r\n" + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 33, "sdp.malformed", 400),
        ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", "sdp.no_media", 400),
        ("v=0\r\n" + DATA_SECTION, "sdp.no_codec", 406),
        (re.sub(r"H26[45]|opus", "nothing", CHROME), "sdp.no_codec", 406),
        (CHROME.replace("packetization-mode=1", "packetization-mode=0").replace("opus", "x").replace("H265", "x"),
         "sdp.no_codec", 406),
        (CHROME.replace("a=fingerprint:sha-256", "a=fingerprint:sha-1"), "sdp.malformed", 400),
        (CHROME.replace("a=recvonly", "a=sendonly"), "sdp.no_codec", 406),
        (CHROME.replace("a=rtcp-mux", "a=x"), "sdp.no_codec", 406),
        (CHROME.replace("a=setup:actpass", "a=setup:holdconn"), "sdp.malformed", 400),
    ],
)  # fmt: skip
def test_bad_offers_have_clear_errors(sdp: str | bytes, code: str, status: int) -> None:
    with pytest.raises(CallerError) as raised:
        plan_answer(offered_codecs(sdp), TRACKS)
    assert (raised.value.code, raised.value.status) == (code, status)
    assert raised.value.hint


def test_no_common_codec_says_what_is_possible() -> None:
    track = TrackInfo("copy", TrackKind.VIDEO, Codec.H265, 90_000)
    with pytest.raises(CallerError) as raised:
        plan_answer(offered_codecs(CHROME.replace("H265", "H266")), {"l/copy": track})
    assert raised.value.status == 406 and raised.value.hint is not None and "H.265" in raised.value.hint


LINES = st.lists(
    st.one_of(
        st.sampled_from(CHROME.splitlines()),
        st.builds(lambda a, b: f"a={a}:{b}", st.text(max_size=8), st.text(max_size=30)),
        st.builds(lambda words: "m=" + " ".join(words), st.lists(st.text(max_size=6), max_size=6)),
        st.text(max_size=30),
    ),
    max_size=60,
)


@given(st.one_of(st.text(), st.binary(), LINES.map(lambda lines: "\r\n".join(["v=0", *lines]))))
def test_garbage_is_answered_or_refused(sdp: str | bytes) -> None:
    with contextlib.suppress(CallerError):
        answer_of = plan_answer(offered_codecs(sdp), TRACKS)
        ssrcs = dict.fromkeys(TRACKS, 7)
        assert write_answer(answer_of, LocalSide(1, "user", "p" * 24, "AA", "c", ssrcs, [HOST])).startswith("v=0\r\n")


@given(st.integers(0, len(CHROME)), st.integers(0, 400), st.text(max_size=20))
def test_damaged_offers_are_answered_or_refused(start: int, size: int, put: str) -> None:
    with contextlib.suppress(CallerError):
        plan_answer(offered_codecs(CHROME[:start] + put + CHROME[start + size :]), TRACKS)


# --- candidates and fragments ---------------------------------------------------------------------------------------


def test_candidates_go_there_and_back() -> None:
    relayed = Candidate("relay", priority_of("relay"), "2001:db8::1", 5000, "relay", ("192.0.2.1", 1))
    for candidate in (HOST, relayed):
        found = parse_candidate("a=" + candidate.line())
        assert found is not None
        assert (found.address, found.port, found.priority, found.kind) == (
            candidate.address, candidate.port, candidate.priority, candidate.kind,
        )  # fmt: skip


@given(st.one_of(st.text(), st.lists(st.text(max_size=12), min_size=8, max_size=10).map(" ".join)))
def test_garbage_is_no_candidate(value: str) -> None:
    assert parse_candidate(value) is None


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "x.local", "300.1.1.1"])
def test_addresses_that_are_not_checked(address: str) -> None:
    assert parse_candidate(f"candidate:1 1 udp 1 {address} 5 typ host") is None


def test_fragments() -> None:
    text = write_fragment("user", "p" * 24, [HOST], ("video", "0"))
    read = parse_fragment(text)
    assert (read.ufrag, read.pwd, read.ended, read.mid) == ("user", "p" * 24, True, "0")
    assert [candidate.address for candidate in read.candidates] == ["192.0.2.2"]
    only = parse_fragment("a=candidate:1 1 udp 1 192.0.2.9 5 typ host\r\n")
    assert only.ufrag is None and len(only.candidates) == 1
    # The end of candidates alone is no mistake: there are browsers that send it last, by itself.
    assert parse_fragment("a=ice-ufrag:user\r\na=end-of-candidates\r\n").ended


@given(st.one_of(st.text(), st.binary(), LINES.map("\r\n".join)))
def test_garbage_is_no_fragment(text: str | bytes) -> None:
    with contextlib.suppress(CallerError):
        parse_fragment(text)


def test_profiles() -> None:
    assert h264_profile("4de01f") is H264Profile.CONSTRAINED_BASELINE
    assert h264_profile("640c1f") is H264Profile.CONSTRAINED_HIGH
    assert h264_profile("zz") is None and h264_profile("42e0") is None

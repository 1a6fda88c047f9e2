"""RTSP messages from bytes: any cut, pipelining, garbage, bounds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.rtsp import protocol
from steadycast.egress.rtsp.protocol import Interleaved, Malformed, Message, MessageReader, Request, serialize

names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: name.lower() not in ("content-length",)
)
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
requests = st.builds(
    Request,
    method=st.sampled_from((*protocol.METHODS, "RECORD", "FLY")),
    url=st.from_regex(r"rtsp://[a-z]{1,9}/[!-~]{0,20}", fullmatch=True),
    headers=st.dictionaries(names.map(str.lower), values, max_size=6),
    body=st.binary(max_size=200),
)
packets = st.builds(Interleaved, channel=st.integers(0, 255), payload=st.binary(max_size=200))


def spell(message: Request | Interleaved) -> bytes:
    if isinstance(message, Interleaved):
        return b"$" + bytes([message.channel]) + len(message.payload).to_bytes(2, "big") + message.payload
    lines = [f"{message.method} {message.url} RTSP/1.0"]
    lines += [f"{name.title()}: {value}" for name, value in message.headers.items()]
    if message.body:
        lines.append(f"Content-Length: {len(message.body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + message.body


def without_length(message: Message) -> Message:
    if not isinstance(message, Request):
        return message
    headers = {name: value for name, value in message.headers.items() if name != "content-length"}
    return Request(message.method, message.url, headers, message.body)


def read_in_pieces(data: bytes, cuts: list[int]) -> list[Message]:
    reader = MessageReader()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    out: list[Message] = []
    for start, end in itertools.pairwise(edges):
        out += reader.feed(data[start:end])
    return out


@given(st.lists(requests | packets, max_size=6), st.lists(st.integers(0, 5000), max_size=12))
def test_pipelined_messages_come_out_whatever_way_they_are_cut(
    messages: list[Request | Interleaved], cuts: list[int]
) -> None:
    data = b"".join(spell(message) for message in messages)
    assert [without_length(message) for message in read_in_pieces(data, cuts)] == messages


def test_cut_at_every_byte() -> None:
    data = spell(Request("SETUP", "rtsp://h/a", {"cseq": "3"}, b"x: 1")) + b"\r\n$\x01\x00\x03abc"
    whole = read_in_pieces(data, [])
    assert len(whole) == 2
    for cut in range(len(data)):
        assert read_in_pieces(data, [cut]) == whole
    assert read_in_pieces(data, list(range(len(data)))) == whole


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_garbage_never_raises_and_does_not_depend_on_the_cut(data: bytes, cuts: list[int]) -> None:
    whole = read_in_pieces(data, [])
    assert read_in_pieces(data, cuts) == whole
    assert all(not isinstance(message, Malformed) for message in whole[:-1])


@given(st.lists(st.binary(min_size=1, max_size=4000), max_size=40))
def test_memory_is_bounded(pieces: list[bytes]) -> None:
    reader = MessageReader()
    for piece in pieces:
        reader.feed(piece)
        assert len(reader._buffer) <= protocol.BODY_BYTES + protocol.HEADER_BYTES


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"HELLO\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/2.0\r\n\r\n", 505),
        (b"OPTIONS  * RTSP/1.0\r\n\r\n", 400),
        (b"OPT\x00ONS * RTSP/1.0\r\n\r\n", 400),
        (b"RTSP/1.0 200 OK\r\n\r\n", 400),
        (b"OPTIONS rtsp://h/" + b"a" * 4000, 414),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: " + b"a" * 9000, 400),
        (b"OPTIONS * RTSP/1.0\r\n" + b"a: b\r\n" * 100 + b"\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 70000\r\n\r\n", 413),
        (b"OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\n folded\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nno colon\r\n\r\n", 400),
    ],
)
def test_broken_requests_get_a_status(data: bytes, status: int) -> None:
    reader = MessageReader()
    messages = reader.feed(data + b"\r\n\r\n")
    assert [message.status for message in messages if isinstance(message, Malformed)] == [status]
    assert reader.feed(b"OPTIONS * RTSP/1.0\r\n\r\n") == []
    assert not reader.unfinished


def test_the_number_of_a_broken_request_is_kept() -> None:
    (message,) = MessageReader().feed(b"PLAY * RTSP/1.0\r\nCSeq: 77\r\nbad\x01: x\r\n\r\n")
    assert isinstance(message, Malformed) and message.cseq == "77"


def test_unfinished_says_whether_a_message_was_begun() -> None:
    reader = MessageReader()
    assert not reader.unfinished
    reader.feed(b"OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\n")
    assert reader.unfinished
    reader.feed(b"\r\n")
    assert reader.unfinished
    assert len(reader.feed(b"x")) == 1
    assert not reader.unfinished


def test_bare_line_feeds_and_empty_lines_are_taken() -> None:
    (request,) = MessageReader().feed(b"\r\n\r\nOPTIONS * RTSP/1.0\nCSeq: 1\n\n")
    assert isinstance(request, Request) and request.cseq == "1"


@given(st.text(max_size=40))
def test_a_header_never_makes_a_second_line(value: str) -> None:
    head = serialize(503, "1", [("X-Why", value)]).decode()
    assert head.count("\n") == 4 and head.endswith("\r\n\r\n")

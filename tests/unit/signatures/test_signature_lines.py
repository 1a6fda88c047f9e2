"""Lines are found in whatever a log wraps them into, and what the wrapping tells is read."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.tracking.signatures import Match, Matcher, load_table
from steadycast.tracking.signatures.line import Line, read
from steadycast.tracking.signatures.masking import masked
from steadycast.tracking.signatures.matcher import SIEVE_FROM, by_line
from steadycast.tracking.signatures.sieve import Sieve

TABLE = load_table()
LITERALS = list(TABLE.by_literal)
SIEVE = Sieve(LITERALS)
KEY = "NvEnc API call failed: 0x15, NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY"
ARRAY = [*b"\x1b[31m", *KEY.encode(), *b"\x1b[0m"]
FORMS = {
    "bare": KEY,
    "colours": f"\x1b[1;31mERROR\x1b[0m {KEY}\x1b[0m",
    "journald short": f"Mar 01 10:00:00 host wolf[4711]: {KEY}",
    "journald iso": f"2026-03-01T10:00:00+0100 host wolf[4711]: {KEY}",
    "journald json": json.dumps({"MESSAGE": KEY, "_PID": "4711", "SYSLOG_IDENTIFIER": "wolf"}),
    "journald json, bytes": json.dumps({"MESSAGE": ARRAY, "_PID": "4711"}, separators=(",", ":")),
    "syslog 5424": f"<11>1 2026-03-01T10:00:00Z host wolf 4711 - - {KEY}",
    "docker json": json.dumps({"log": f"\x1b[31m{KEY}\x1b[0m\n", "stream": "stderr", "time": "2026-03-01T10:00:00.1Z"}),
    "docker compose": f"wolf-1  | 10:00:00.123 ERROR | {KEY}",
    "kubernetes": f"2026-03-01T10:00:00.123456789Z stderr F {KEY}",
    "gstreamer": f"0:00:01.204318000  4711 0x7f2c10001b70 ERROR  nvencoder gstnvencobject.cpp:175:Open:<enc> {KEY}",
    "rust tracing": f"2026-03-01T10:00:00.123456Z ERROR wolf::encoder: {KEY}",
    "rust tracing json": json.dumps({"timestamp": "2026-03-01T10:00:00Z", "fields": {"message": KEY}, "target": "a"}),
    "structlog json": json.dumps({"event": KEY, "level": "error", "pid": 4711}),
    "ffmpeg": f"[h264_nvenc @ 0x55d0c8a1c0] {KEY}",
    "cr lf": f"{KEY}\r",
    "nul": f"\x00{KEY}\x00\x00",
    "wrapped": f"2026-03-01T10:00:00.1Z ERROR nvenc:\n    NvEnc API call failed:\n    {KEY[23:]}",
    "upper case": KEY.upper(),
    "not utf-8": f"\udcff\udcfe {KEY} \udc80",
}


def found(data: bytes, size: int = 1 << 30) -> list[Match]:
    matcher = Matcher(TABLE, year=2026)
    pieces = [matcher.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return [one for some in (*pieces, matcher.finish()) for one in some]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_a_line_is_found_in_any_wrapping(form: str, large: bool) -> None:
    around = b"nothing to see here, go on\n" * (SIEVE_FROM // 20 if large else 3)
    data = around + form.encode("utf-8", "surrogateescape") + b"\n" + around
    matches = found(data)
    assert [one.signature.id for one in matches] == ["nvenc.client-key"]
    assert matches[0].number == around.count(b"\n") + 1 + form.count("\n")
    assert "\x1b" not in matches[0].line.text


@pytest.mark.parametrize("size", [1, 7, 64, 5000])
def test_it_does_not_matter_how_a_log_is_cut(size: int) -> None:
    data = "\n".join(FORMS.values()).encode("utf-8", "surrogateescape")
    whole = [(one.signature.id, one.offset, one.number) for one in found(data)]
    assert len(whole) >= len(FORMS) - 1
    assert [(one.signature.id, one.offset, one.number) for one in found(data, size)] == whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2025-10-02T06:40:11.752176Z ERROR a", ("at", 1759387211.752176)),
        ("2025-10-02T08:40:11.752176+02:00 ERROR a", ("at", 1759387211.752176)),
        ("2025/10/02 06:40:11 a", ("at", 1759387211.0)),
        ("Oct  2 06:40:11 host wolf[4711]: a", ("at", 1759387211.0)),
        ("Oct  2 06:40:11 host wolf[4711]: a", ("process", "wolf")),
        ("[Thu Oct  2 06:40:11 2025] NVRM: a", ("at", 1759387211.0)),
        ("[  812.123456] NVRM: Xid: 31, pid=4711, name=wolf, a", ("pid", 4711)),
        ("[  812.123456] NVRM: Xid: 31, pid=4711, name=wolf, a", ("process", "wolf")),
        ("[  812.123456] a", ("at", 812.123456)),
        ("[  812.123456] a", ("kernel", True)),
        ("0:00:02.500000000  4711 0x7f2c10001b70 WARN a", ("at", 2.5)),
        ("0:00:02.500000000  4711 0x7f2c10001b70 WARN a", ("pid", 4711)),
        ("(neolink:12): GStreamer-CRITICAL **: 00:00:03.250: a", ("at", 3.25)),
        ("(neolink:12): GStreamer-CRITICAL **: 00:00:03.250: a", ("process", "neolink")),
        ("ERROR | not a service", ("process", None)),
        ("systemd[1]: wolf.service: Main process exited", ("process", "wolf")),
        ("2025-99-99T06:40:11Z a", ("at", None)),
        ('{"log": "a", "time": "2025-10-02T06:40:11.752176Z"}', ("text", "a")),
        ('{"log": 5}', ("text", '{"log": 5}')),
    ],
)
def test_what_the_wrapping_tells(text: str, said: tuple[str, object]) -> None:
    line = read(text.encode(), 2025)
    value = getattr(line, said[0])
    assert value == (pytest.approx(said[1]) if isinstance(said[1], float) else said[1])


def test_an_endless_line_is_searched_in_pieces_and_over_their_bounds() -> None:
    for before in (10, 65_000, 70_000, 300_000):
        data = b"x" * before + KEY.encode() + b"y" * 80_000
        matcher = Matcher(TABLE)
        matches = [one for at in range(0, len(data), 9000) for one in matcher.feed(data[at : at + 9000])]
        matches += matcher.finish()
        assert [one.signature.id for one in matches] == ["nvenc.client-key"], before
        assert matches[0].offset == pytest.approx(before, abs=30)


def test_a_storm_is_counted_whole_and_hides_nothing() -> None:
    storm = "".join(
        f"2026-03-01T10:00:{at % 60:02d}.1Z ERROR egl: could not bind to DMA buffer\n" for at in range(9000)
    )
    odd = "NVRM: Xid (PCI:0000:01:00): 79, pid=7, name=x, GPU has fallen off the bus.\n"
    data = (storm + odd + storm).encode()
    matches = found(data)
    assert sum(one.times for one in matches if one.signature.id == "egl.dmabuf-bind") == 18_000
    assert [one.number for one in matches if one.signature.id == "xid.lost"] == [9001]
    assert len(matches) < 1000


def test_a_kind_of_line_that_only_sometimes_matches_is_read_whole() -> None:
    near = "vaInitialize was called for display 3\n" * 20_000
    data = (near + "vaInitialize failed with error code -1 (unknown libva error)\n" + near).encode()
    assert [one.number for one in found(data)] == [20_001]


@settings(max_examples=50)
@given(st.lists(st.sampled_from([*FORMS.values(), "x", "\n", " ", "error " * 30]), max_size=30), st.integers(0, 300))
def test_the_sieve_misses_nothing_that_the_plain_search_finds(parts: list[str], seen: int) -> None:
    block = "".join(parts).encode("utf-8", "surrogateescape")
    plain = by_line(block, seen, [one.encode() for one in LITERALS])
    fast: dict[int, set[int]] = {}
    for some, places in SIEVE.kinds(block, seen, 2500):
        for place in places:
            fast.setdefault(block.count(b"\n", 0, place), set()).update(some)
    for numbers, places in plain:
        for place in places:
            assert set(numbers) <= fast[block.count(b"\n", 0, place)]


@settings(max_examples=50)
@given(st.binary(max_size=3000), st.integers(1, 200))
def test_garbage_is_no_error(data: bytes, size: int) -> None:
    matcher = Matcher(TABLE)
    for at in range(0, len(data), size):
        matcher.feed(data[at : at + size])
    matcher.finish()
    assert isinstance(read(data), Line)
    assert matcher.bytes == len(data)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:hunter2@cam/live failed",
        "password=hunter2, again",
        '"token": "hunter2"',
        "Authorization: Bearer hunter2hunter2",
        "api_key: hunter2",
    ],
)
def test_credentials_are_taken_out(text: str) -> None:
    assert "hunter2" not in masked(text)
    assert "hunter2" not in found(f"{text} Too many open files\n".encode())[0].line.text


EXAMPLES = [line for one in TABLE.signatures.values() for line in one.examples]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EXAMPLES), st.integers(0, 999)), min_size=1, max_size=60))
def test_what_one_line_was_says_nothing_wrong_of_another_that_looks_alike(lines: list[tuple[str, int]]) -> None:
    """Digits are changed at will: what is remembered of shapes of lines must not show."""
    texts = []
    for text, number in lines:
        texts += [text, re.sub(r"\d+", str(number), text), re.sub(r"\d", str(number % 10), text)]
    matcher = Matcher(TABLE, year=2026)
    for text in texts:
        alone = Matcher(TABLE, year=2026)
        expected = [one.signature.id for one in (*alone.feed(f"{text}\n".encode()), *alone.finish())]
        assert [one.signature.id for one in matcher.feed(f"\n{text}\n".encode())][-1:] == expected, text

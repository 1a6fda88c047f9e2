"""One line of anybody's log, cleaned: what it says, and what its wrapping tells of time and process.

Known wrappings: journald (short, ISO, JSON), syslog (RFC 3164, RFC 5424), dmesg, Docker's JSON lines, Docker Compose,
Kubernetes' CRI, Rust's tracing, GStreamer's debug log, FFmpeg, and the time stamps of most others. What is not known
stays as it is: patterns search anywhere in a line.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

CHARACTERS = 4000  # of a line that are looked at
JSON_CHARACTERS = 64_000
_NAME = 64

_ANSI = re.compile(r"\x1b(?:\[[0-9;?:]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")
_ISO = re.compile(
    r"(?<![\d.])(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?(?![\d:])", re.ASCII
)
_SLASHED = re.compile(r"(?<!\d)(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?", re.ASCII)
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: at for at, name in enumerate(_NAMES, 1)}
_SYSLOG = re.compile(
    rf"(?:^|[>\[ ])(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?({'|'.join(_NAMES)}) {{1,2}}(\d{{1,2}}) "
    r"(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?: (\d{4}))?",
    re.ASCII,
)
_SINCE_START = re.compile(r"^\s{0,4}(\d{1,4}):(\d\d):(\d\d)\.(\d{6,9})\s", re.ASCII)  # GStreamer
_DMESG = re.compile(r"^(?:<\d{1,3}>)?\[\s{0,8}(\d{1,9}\.\d{3,6})\]", re.ASCII)
_DAYTIME = re.compile(r"^\W{0,3}(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?![\d:])", re.ASCII)
_WHO = re.compile(r"(?:^|\s)([A-Za-z][\w.@/-]{0,63})\[(\d{1,8})\]:", re.ASCII)
_RFC5424 = re.compile(r"^<\d{1,3}>\d \S{1,40} \S{1,80} (\S{1,64}) (\d{1,8}|-) ", re.ASCII)
_GST_PID = re.compile(r"^\s{0,4}\d{1,4}:\d\d:\d\d\.\d{6,9}\s{1,4}(\d{1,8})\s{1,4}0x[0-9a-f]{4,16}\s", re.ASCII)
_GLIB = re.compile(r"\(([\w.-]{1,40}):(\d{1,8})\): [\w-]{1,40}-\w{4,8} \*\*: (?:(\d\d:\d\d:\d\d\.\d{3}): )?", re.ASCII)
_COMPOSE = re.compile(r"^([\w.-]{1,64})\s{1,40}\| ", re.ASCII)
_LEVELS = frozenset({"error", "warn", "warning", "info", "debug", "trace", "fatal", "critical", "notice"})
# Whom the kernel and systemd speak about, who write the line themselves.
_ABOUT = re.compile(
    r"Kill(?:ed)? process (?P<pid1>\d{1,8}) \((?P<name1>[^)]{1,64})\)"
    r"|pid='?(?P<pid2>\d{1,8})'?, name=(?P<name2>[\w.:-]{1,64})"
    r"|(?P<name3>[\w.:-]{1,64})\[(?P<pid3>\d{1,8})\](?:: segfault| trap | general protection)"
    r"|(?P<name4>[\w.@:-]{1,80})\.service: ",
    re.ASCII,
)
_ABOUT_WORDS = ("Kill", ", name=", "segfault", " trap ", "general protection", ".service: ")
_PID = re.compile(r"\bpid[=: ]{1,2}'?(\d{1,8})", re.ASCII)
CRI = re.compile(r"^\d{4}-\d\d-\d\dT\S{8,30} (?:stdout|stderr) ([FP]) ", re.ASCII)
_KERNEL = re.compile(r"(?:^|\s)kernel: |^(?:<\d{1,3}>)?\[\s{0,8}\d{1,9}\.\d{3,6}\]|NVRM: ", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """`at` is in seconds: Unix time where `zoned`, local time of the writer where a date stands without a zone, else
    since something's start (`dated` is False). `stamp` is the time as it was written. `process` and `pid` are told only
    where the line tells them; `kernel`: the kernel wrote it, about whomever."""

    text: str
    at: float | None = None
    stamp: str | None = None
    dated: bool = False
    zoned: bool = False
    process: str | None = None
    pid: int | None = None
    kernel: bool = False


def read(raw: bytes, year: int = 2000) -> Line:
    """Whatever the bytes are. `year` is for stamps that have none."""
    return parsed(clean(raw.decode("utf-8", "replace")), year)


def clean(text: str) -> str:
    """Without colours, NULs and other signs that nobody can see."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return _CONTROL.sub(" ", text.replace("\x00", "")).strip() if not text.isprintable() else text.strip()


def parsed(text: str, year: int, depth: int = 0) -> Line:
    """Of a clean text. `depth`: how often it was wrapped already."""
    if text.startswith("{") and text.endswith("}") and depth < 2 and len(text) <= JSON_CHARACTERS:
        inner = _json(text, year, depth)
        if inner is not None:
            return inner
    text = text[:CHARACTERS]
    cri = CRI.match(text)
    at, stamp, dated, zoned = _time(text, year)
    if cri:
        rest = parsed(text[cri.end() :], year, depth + 1) if text[cri.end() :].startswith("{") else None
        text = rest.text if rest else text[cri.end() :]
    process, pid = _who(text)
    may_be = text[:1] in "<[" or "kernel: " in text or "NVRM: " in text
    kernel = may_be and bool(_KERNEL.search(text))
    return Line(text, at, stamp, dated, zoned, process, pid, kernel)


def _json(text: str, year: int, depth: int) -> Line | None:
    """None where it is no JSON, or none with a message."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    message = _message(data)
    if message is None:
        return None
    inner = parsed(clean(message), year, depth + 1)
    at, stamp, zoned = inner.at, inner.stamp, inner.zoned
    dated = inner.dated
    micro = data.get("__REALTIME_TIMESTAMP") or data.get("_SOURCE_REALTIME_TIMESTAMP")
    outer = data.get("time") or data.get("timestamp") or data.get("ts") or data.get("@timestamp")
    if isinstance(micro, str) and micro.isdigit() and len(micro) < 20:
        at, dated, zoned = int(micro) / 1e6, True, True
        stamp = datetime.fromtimestamp(at).isoformat(" ", "milliseconds") if at < 4e9 else None
    elif isinstance(outer, str) and (found := _time(outer[:64], year))[2]:
        at, stamp, dated, zoned = found
    elif isinstance(outer, int | float) and not isinstance(outer, bool) and 1e9 < outer < 4e9:
        at, dated, zoned = float(outer), True, True
        stamp = datetime.fromtimestamp(at).isoformat(" ", "milliseconds")
    name = data.get("SYSLOG_IDENTIFIER") or data.get("_COMM") or data.get("CONTAINER_NAME")
    number = data.get("_PID") or data.get("SYSLOG_PID") or data.get("pid")
    process = str(name)[:_NAME] if isinstance(name, str) and name else inner.process
    known = isinstance(number, str | int) and not isinstance(number, bool) and str(number).isdigit()
    kernel = inner.kernel or data.get("_TRANSPORT") == "kernel"
    if inner.process is not None and (kernel or name == "systemd"):
        return Line(inner.text, at, stamp, dated, zoned, inner.process, inner.pid, kernel)
    pid = int(str(number)[:9]) if known and str(number).isascii() else inner.pid
    return Line(inner.text, at, stamp, dated, zoned, process, pid, kernel)


def _message(data: dict[str, Any]) -> str | None:
    fields = data.get("fields")
    inner = fields.get("message") if isinstance(fields, dict) else None
    for value in (data.get("log"), data.get("MESSAGE"), data.get("message"), data.get("msg"), data.get("event"), inner):
        if isinstance(value, str):
            target = data.get("target")
            return f"{target}: {value}" if isinstance(target, str) else value
        # journald writes what has colours in it as a list of bytes
        if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
            return bytes(value).decode("utf-8", "replace")
    return None


def _time(text: str, year: int) -> tuple[float | None, str | None, bool, bool]:
    """Seconds, the stamp as it was written, whether a date is in it, and a zone."""
    head = text[:120]
    if found := _ISO.search(head):
        at = _moment(f"{found[1]} {found[2]}", found[3], found[4])
        return at, found[0].strip(), at is not None, bool(found[4])
    if "/" in head and (found := _SLASHED.search(head)):
        at = _moment(f"{found[1]}-{found[2]}-{found[3]} {found[4]}", found[5], None)
        return at, found[0], at is not None, False
    if any(name in head for name in _NAMES) and (found := _SYSLOG.search(head)):
        day = f"{int(found[5] or year):04d}-{_MONTHS[found[1]]:02d}-{int(found[2]):02d}"
        at = _moment(f"{day} {found[3]}", found[4], None)
        return at, found[0].strip("<>[] "), at is not None, False
    if found := _DMESG.match(head):
        return float(found[1]), found[0], False, False
    if " **: " in head and (found := _GLIB.search(head)) and found[3]:
        return _time(f"{found[3]} ", year)
    if found := _SINCE_START.match(head) or _DAYTIME.match(head):
        seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) + float(f"0.{found[4] or 0}")
        return seconds, found[0].strip(), False, False
    return None, None, False, False


def _moment(text: str, fraction: str | None, zone: str | None) -> float | None:
    ending = "+00:00" if zone in (None, "Z") else zone
    try:
        whole = datetime.fromisoformat(f"{text}{ending}").timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return whole + float(f"0.{fraction or 0}")


def _who(text: str) -> tuple[str | None, int | None]:
    head = text[:200]
    is_about = any(word in text for word in _ABOUT_WORDS)  # most lines are about nobody else, which costs less to see
    if is_about and (found := _ABOUT.search(text[:400])):
        number = found["pid1"] or found["pid2"] or found["pid3"]
        name = found["name1"] or found["name2"] or found["name3"] or found["name4"]
        return name, int(number) if number else None
    # What a line must hold for each of these is looked for first: that is ten times as fast as not to find it.
    if head[:1] == "<" and (found := _RFC5424.match(head)):
        return found[1], int(found[2]) if found[2].isdigit() else None
    if "]:" in head and (found := _WHO.search(head)):
        return found[1].rpartition("/")[2], int(found[2])
    if " **: " in head and (found := _GLIB.search(head)):
        return found[1], int(found[2])
    if " 0x" in head and (found := _GST_PID.match(head)):
        return None, int(found[1])
    if " | " in head and (found := _COMPOSE.match(head)) and found[1].lower() not in _LEVELS:
        return found[1], None
    if "pid" in text and (found := _PID.search(text)):
        return None, int(found[1])
    return None, None

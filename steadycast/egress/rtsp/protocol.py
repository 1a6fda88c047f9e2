"""RTSP 1.0 messages (RFC 2326) from bytes and to bytes: sans-IO, bounded, the same whatever way the bytes are cut."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

REQUEST_LINE_BYTES = 2048
HEADER_BYTES = 8192  # request line and all header lines with their line ends
HEADER_LINES = 64
BODY_BYTES = 65_536

METHODS = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN")
KNOWN_ELSEWHERE = frozenset(("ANNOUNCE", "RECORD", "REDIRECT"))  # methods of RFC 2326 that make no sense here: 405

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Time-out",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    415: "Unsupported Media Type",
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    457: "Invalid Range",
    459: "Aggregate Operation Not Allowed",
    460: "Only Aggregate Operation Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
    505: "RTSP Version Not Supported",
    551: "Option Not Supported",
}

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}\Z")
_URL = re.compile(r"[\x21-\x7e]+\Z")
_NUMBER = re.compile(r"[0-9]{1,10}\Z")
_SINGLE = frozenset(("cseq", "content-length", "session", "content-type", "authorization"))


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are lower case; a header that came several times is joined with commas."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def cseq(self) -> str | None:
        """The sequence number, None where it is missing or no number."""
        value = self.headers.get("cseq", "")
        return value if _NUMBER.match(value) else None


@dataclass(frozen=True, slots=True)
class Interleaved:
    """A packet inside the connection (RFC 2326 section 10.12)."""

    channel: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Malformed:
    """The bytes make no sense any more: answer with this status and close. Always the last thing a reader says."""

    status: int
    why: str
    cseq: str | None = None


Message = Request | Interleaved | Malformed


class _Broken(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class MessageReader:
    """Turns the bytes of one client into messages. Holds at most one unfinished message, so less than 76 KiB."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # bytes of the unfinished line that hold no line end
        self._lines: list[str] = []
        self._header_bytes = 0
        self._body: tuple[Request, int] | None = None  # a request that waits for its body, and the body's length
        self._broken = False

    @property
    def unfinished(self) -> bool:
        """A message was begun and its end has not come."""
        return not self._broken and bool(self._buffer or self._lines or self._body)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete."""
        messages: list[Message] = []
        if self._broken:
            return messages
        self._buffer += data
        try:
            while (message := self._next()) is not None:
                messages.append(message)
        except _Broken as error:
            messages.append(Malformed(error.status, str(error), self._cseq()))
            self._broken = True
            self._buffer.clear()
            self._lines.clear()
        return messages

    def _cseq(self) -> str | None:
        for line in self._lines[1:]:
            name, _, value = line.partition(":")
            if name.strip().lower() == "cseq" and _NUMBER.match(value.strip()):
                return value.strip()
        return None

    def _next(self) -> Message | None:
        if self._body is not None:
            return self._take_body()
        if not self._lines and self._buffer[:1] == b"$":
            return self._take_interleaved()
        while (line := self._take_line()) is not None:
            if line:
                self._lines.append(line)
                if len(self._lines) > HEADER_LINES:
                    raise _Broken(400, "too many header lines")
                continue
            if self._lines:
                return self._finish_header()
            self._header_bytes = 0  # an empty line between messages
            if self._buffer[:1] == b"$":
                return self._take_interleaved()
        return None

    def _take_interleaved(self) -> Interleaved | None:
        if len(self._buffer) < 4:
            return None
        end = 4 + int.from_bytes(self._buffer[2:4], "big")
        if len(self._buffer) < end:
            return None
        packet = Interleaved(self._buffer[1], bytes(self._buffer[4:end]))
        del self._buffer[:end]
        return packet

    def _take_line(self) -> str | None:
        end = self._buffer.find(b"\n", self._scanned)
        length = len(self._buffer) if end < 0 else end + 1
        if not self._lines and length > REQUEST_LINE_BYTES:
            raise _Broken(414, f"the request line is longer than {REQUEST_LINE_BYTES} bytes")
        if self._header_bytes + length > HEADER_BYTES:
            raise _Broken(400, f"the header is longer than {HEADER_BYTES} bytes")
        if end < 0:
            self._scanned = length
            return None
        raw = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        self._header_bytes += length
        return raw.removesuffix(b"\r").decode("latin-1")

    def _finish_header(self) -> Request | None:
        method, url = _request_line(self._lines[0])
        headers = _headers(self._lines[1:])
        length = headers.get("content-length", "0")
        if not _NUMBER.match(length):
            raise _Broken(400, "Content-Length is no number")
        if int(length) > BODY_BYTES:
            raise _Broken(413, f"the body is longer than {BODY_BYTES} bytes")
        self._lines = []
        self._header_bytes = 0
        self._body = (Request(method, url, headers), int(length))
        return self._take_body()

    def _take_body(self) -> Request | None:
        assert self._body is not None
        request, length = self._body
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._body = None
        return Request(request.method, request.url, request.headers, body)


def _request_line(line: str) -> tuple[str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or not _TOKEN.match(parts[0]) or not _URL.match(parts[1]):
        raise _Broken(400, "this is no RTSP request line")
    if parts[2] != "RTSP/1.0":
        if re.match(r"RTSP/[0-9]\.[0-9]\Z", parts[2]):
            raise _Broken(505, "this server speaks RTSP/1.0")
        raise _Broken(400, "this is no RTSP request line")
    return parts[0], parts[1]


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.match(name) or not value.replace("\t", " ").isprintable():
            raise _Broken(400, "a header line makes no sense")
        name = name.lower()
        if name not in headers:
            headers[name] = value
        elif name not in _SINGLE:
            headers[name] += f", {value}"
        elif headers[name] != value:
            raise _Broken(400, f"{name} came twice")
    return headers


def serialize(status: int, cseq: str | None, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """A response. Headers keep their order; one name may come several times (WWW-Authenticate)."""
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if cseq is not None:
        lines.append(f"CSeq: {cseq}")
    lines += [f"{name}: {one_line(value)}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def one_line(text: str) -> str:
    """The text without anything that could end a line of a header or of an SDP."""
    return "".join(char if char.isprintable() else " " for char in text)

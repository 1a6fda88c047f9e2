"""A light RTSP viewer: interleaved TCP, counts and checks RTP packets, decodes nothing."""

from __future__ import annotations

import socket
import struct
import time
import urllib.parse
from dataclasses import dataclass, field


class RtspRefused(Exception):
    """The server answered with another status than 200."""

    def __init__(self, status: int, reason: str, headers: dict[str, str]) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.headers = headers


@dataclass
class TrackCount:
    """What came of one track."""

    packets: int = 0
    frames: int = 0
    gaps: int = 0
    last_sequence: int | None = None
    timestamps: list[int] = field(default_factory=list)

    def count(self, packet: bytes) -> None:
        """One RTP packet more."""
        sequence, timestamp = struct.unpack_from(">HI", packet, 2)
        if self.last_sequence is not None and sequence != (self.last_sequence + 1) & 0xFFFF:
            self.gaps += 1
        self.last_sequence = sequence
        self.packets += 1
        if packet[1] & 0x80:
            self.frames += 1
            self.timestamps.append(timestamp)


class RtspViewer:
    """One connection that plays all tracks of a path over interleaved TCP."""

    def __init__(self, url: str, deadline_s: float = 30.0) -> None:
        parts = urllib.parse.urlsplit(url)
        self.url = url
        self.socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 554), timeout=deadline_s)
        self.buffer = bytearray()
        self.sequence = 0
        self.session: str | None = None
        self.tracks: list[TrackCount] = []
        self.sdp = ""

    def __enter__(self) -> RtspViewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, method: str, url: str, **headers: str) -> tuple[dict[str, str], bytes]:
        """Sends one request and returns headers and body of its answer; media packets on the way are counted."""
        self.sequence += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.sequence}"]
        if self.session:
            lines.append(f"Session: {self.session}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return self._answer()

    def _fill(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the RTSP server closed the connection")
        self.buffer += data

    def _take_packet(self) -> bool:
        """Takes one interleaved packet from the buffer, if it is whole."""
        if len(self.buffer) < 4:
            return False
        channel, length = self.buffer[1], struct.unpack_from(">H", self.buffer, 2)[0]
        if len(self.buffer) < 4 + length:
            return False
        packet = bytes(self.buffer[4 : 4 + length])
        del self.buffer[: 4 + length]
        if channel % 2 == 0 and channel // 2 < len(self.tracks):
            self._count(self.tracks[channel // 2], packet)
        return True

    def _count(self, track: TrackCount, packet: bytes) -> None:
        track.count(packet)

    def _answer(self) -> tuple[dict[str, str], bytes]:
        while True:
            while self.buffer[:1] == b"$":
                if not self._take_packet():
                    break
            head, found, rest = bytes(self.buffer).partition(b"\r\n\r\n")
            if self.buffer[:1] == b"R" and found:
                lines = head.decode().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
                length = int(headers.get("content-length", "0"))
                if len(rest) >= length:
                    del self.buffer[: len(head) + 4 + length]
                    _, status, reason = lines[0].split(" ", 2)
                    if status != "200":
                        raise RtspRefused(int(status), reason, headers)
                    return headers, rest[:length]
            self._fill()

    def play(self) -> None:
        """DESCRIBE, SETUP of every track, PLAY."""
        headers, body = self.ask("DESCRIBE", self.url, Accept="application/sdp")
        self.sdp = body.decode()
        base = headers.get("content-base", self.url + "/")
        controls = [
            line.removeprefix("a=control:")
            for section in self.sdp.split("\r\nm=")[1:]
            for line in section.split("\r\n")
            if line.startswith("a=control:")
        ]
        for number, control in enumerate(controls):
            self.tracks.append(TrackCount())
            url = control if control.startswith("rtsp") else base.rstrip("/") + "/" + control
            channels = f"{2 * number}-{2 * number + 1}"
            headers, _ = self.ask("SETUP", url, Transport=f"RTP/AVP/TCP;unicast;interleaved={channels}")
            self.session = headers["session"].split(";")[0]
        self.ask("PLAY", base, Range="npt=0.000-")

    def receive_frames(self, frames: int, track: int = 0, deadline_s: float = 30.0) -> TrackCount:
        """Reads until this many more frames of a track came."""
        wanted = self.tracks[track].frames + frames
        end = time.monotonic() + deadline_s
        while self.tracks[track].frames < wanted:
            if time.monotonic() > end:
                raise AssertionError(f"only {self.tracks[track].frames} of {wanted} frames from {self.url}")
            while self.buffer[:1] == b"$" and self._take_packet():
                pass
            if self.tracks[track].frames < wanted:
                self._fill()
        return self.tracks[track]

    def teardown(self) -> None:
        self.ask("TEARDOWN", self.url)

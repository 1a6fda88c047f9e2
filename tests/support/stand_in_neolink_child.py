"""Stands in for neolink: an RTSP server that makes a pipeline a client and keeps it, until no more can be made."""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
from pathlib import Path

PIPELINES = 3
NAME = "CameraName::MainStream"
SDP = "v=0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=control:stream=0\r\n"
made = 0


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def describe() -> str:
    global made
    say(f"[2025-10-30T10:00:00Z INFO  neolink::rtsp] New RTSP client connection for {NAME} - creating pipeline")
    made += 1
    if made > PIPELINES:
        say("(neolink:8): GStreamer-RTSP-Server-CRITICAL **: 10:00:00.000: could not create element")
        return "RTSP/1.0 503 Service Unavailable\r\n"
    say(f"[2025-10-30T10:00:00Z DEBUG neolink::rtsp] {NAME}: Pipeline lifecycle: CREATED")
    return "RTSP/1.0 200 OK\r\n"


def talk(client: socket.socket) -> None:
    with client:
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                if not (some := client.recv(4096)):
                    return
                data += some
            head, _, data = data.partition(b"\r\n\r\n")
            text = head.decode()
            found = re.search(r"CSeq: (\d+)", text)
            cseq = f"CSeq: {found[1] if found else 0}\r\n"
            if text.startswith("DESCRIBE"):
                first = describe()
                body = SDP if " 200 " in first else ""
                client.sendall(f"{first}{cseq}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            else:
                client.sendall(f"RTSP/1.0 200 OK\r\n{cseq}Session: 1\r\n\r\n".encode())
            if text.startswith("PLAY"):
                for number in range(40):
                    packet = struct.pack(">BBHII", 128, 224, number, number * 3600, 1) + struct.pack(">I", number) * 8
                    client.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)


def main() -> None:
    port = int((Path(os.environ["STAND_IN"]) / "port").read_text())
    with socket.create_server(("127.0.0.1", port)) as listening:
        say("[2025-10-30T10:00:00Z INFO  neolink::rtsp] Starting RTSP Server at 127.0.0.1")
        while True:
            threading.Thread(target=talk, args=(listening.accept()[0],), daemon=True).start()


main()

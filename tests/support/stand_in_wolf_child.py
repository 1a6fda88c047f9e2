"""Stands in for Wolf: an API on a socket, and after some sessions the errors of a driver that refuses, in Wolf's words.

Each connection to /sessions/add is a session that comes and stays; /sessions/stop ends all. The third since the start
finds no room any more.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

LINES = """\
2025-10-02T06:40:11.752176Z ERROR smithay::backend::renderer::gles: [GL] GL_OUT_OF_MEMORY error generated. Failed to \
allocate memory for buffer object.
2025-10-02T06:40:11.784585Z ERROR smithay::backend::egl::ffi: [EGL] 0x300c (BAD_PARAMETER) eglCreateImageKHR: \
EGL_BAD_PARAMETER error: In eglCreateImageKHR: could not bind to DMA buffer
2025-10-02T06:40:11.784595Z ERROR smithay::backend::egl::display: error=Failed to create `EGLImage` from the buffer
2025-10-02T06:40:11.784607Z ERROR waylanddisplaycore::comp: Rendering failed. \
err=BindBufferEGLError(EGLImageCreationFailed)
40:56:30.661481638 WARN cudacontext gstcudacontext.cpp:402:gst_create_cucontext: CUDA call failed: \
CUDA_ERROR_NOT_PERMITTED, operation not permitted
"""
ROOM = 2


def answer(path: str, sessions: list[dict[str, str]], seen: list[int]) -> dict[str, object]:
    if path.endswith("/sessions/add"):
        seen[0] += 1
        sessions.append({"app_id": "1", "client_id": str(seen[0]), "client_ip": "10.0.0.2"})
        if seen[0] > ROOM:
            os.write(1, LINES.encode())
        return {"success": True, "session_id": str(seen[0])}
    if path.endswith("/sessions/stop"):
        sessions.clear()
    return {"success": True, "sessions": sessions}


def main() -> None:
    path = Path(os.environ["STAND_IN"]) / "wolf.sock"
    path.unlink(missing_ok=True)
    sessions: list[dict[str, str]] = []
    seen = [0]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        os.write(1, b"06:40:00.000000000 INFO  | Initializing gstreamer...\n")
        while True:
            with listening.accept()[0] as client:
                data = b""
                while b"\r\n\r\n" not in data and (some := client.recv(4096)):
                    data += some
                if data:
                    body = json.dumps(answer(data.split(b" ")[1].decode(), sessions, seen))
                    client.sendall(f"HTTP/1.0 200 OK\r\n\r\n{body}".encode())


main()

"""`steadycast diagnose --follow` as a process: a log that is not there yet, grows, is rotated and is cut."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

pytestmark = pytest.mark.process
DEADLINE_S = 40.0


def test_a_log_is_followed_over_its_rotation(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    words = [sys.executable, "-m", "steadycast", "diagnose", "--follow", "--json", str(log)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        told: Queue[dict[str, Any]] = Queue()
        assert process.stdout is not None
        output = process.stdout

        def read() -> None:
            for line in output:
                told.put(json.loads(line))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            log.write_text("starting\naccept: Too many open files\n")
            assert told.get(timeout=DEADLINE_S)["signature"] == "system.too-many-files"

            with log.open("a") as file:
                file.write("filler\n" * 100 + "NVRM: Xid (PCI:0000:01:00): 79, pid=1, name=a, GPU has ")
                file.flush()
                log.rename(tmp_path / "server.log.1")
                file.write("fallen off the bus.\n")  # the old one is read to its end
            log.write_text("filler\n" * 100 + "CUDA call failed: CUDA_ERROR_UNKNOWN, unknown error\n")
            assert {told.get(timeout=DEADLINE_S)["signature"] for _ in range(2)} == {"xid.lost", "cuda.unknown"}

            os.truncate(log, 0)
            with log.open("a") as file:
                file.write("Bus error (core dumped)\n")
            assert told.get(timeout=DEADLINE_S)["signature"] == "system.bus-error"
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(DEADLINE_S)
            reader.join(DEADLINE_S)
        assert code == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_standard_input_is_told_while_it_comes() -> None:
    words = [sys.executable, "-m", "steadycast", "diagnose", "--follow", "--json", "-"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("accept: Too many open files\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["signature"] == "system.too-many-files", "before its end"
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 1

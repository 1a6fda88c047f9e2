"""A throw-away child that tries one encoder, or measures what the CPU can encode, and says in one line how that went.

`trial` reads `{"order": EncoderOrder}` from its standard input and prints `{"ok", "fault", "what", "why", "element",
"memory", "pixels_per_s", "gstreamer"}`; `calibrate` reads `{"codec": Codec}` and prints `{"ok", "small", "large",
"gstreamer", "cpu", "cpus"}`. Exit code 0 if it went well, else 1. It exits without undoing anything: the kernel does
that, also where a driver hangs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any

from steadycast.model import Codec, EncoderFault, EncoderOrder
from steadycast.workers.codec import from_plain

NICE = 5  # below what lobbies encode
QUESTION_BYTES = 65_536


def main() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    os.nice(NICE)
    told = _told(sys.argv[1] if len(sys.argv) > 1 else "")
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    os._exit(0 if told["ok"] else 1)


def _told(task: str) -> dict[str, Any]:
    if task not in ("trial", "calibrate"):
        return _failed("this child is started with `trial` or `calibrate`")
    try:
        question = json.loads(sys.stdin.buffer.read(QUESTION_BYTES) or b"{}")
        asked = from_plain(EncoderOrder, question["order"]) if task == "trial" else Codec(question["codec"])
    except (ValueError, KeyError, TypeError) as error:  # CodecError is a ValueError
        return _failed(f"the question cannot be read: {error}")
    try:
        from steadycast.pipelines import calibrate, trial
    except (ImportError, ValueError) as error:  # gi raises ValueError where a typelib is missing
        return _failed(f"GStreamer cannot be used from Python: {error}")
    if isinstance(asked, Codec):
        return calibrate.measure(asked)
    return asyncio.run(trial.try_encoder(asked))


def _failed(what: str) -> dict[str, Any]:
    return {"ok": False, "fault": EncoderFault.FAILED.value, "what": what}


if __name__ == "__main__":
    main()

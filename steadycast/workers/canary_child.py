"""A throw-away child that really builds and plays a tiny pipeline with an encoder, and says in one line how that went.

Prints one JSON object: `{"ok", "gstreamer", "missing", "took_ms", "why"}`; exit code 0 if it played, else 1.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, NoReturn

PLAY_S = 8.0  # for thirty small frames; a first start on a slow machine also scans all plugins, which is before it


def main() -> NoReturn:
    began = time.monotonic()
    told = _play()
    told["took_ms"] = round((time.monotonic() - began) * 1000, 1)
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    sys.exit(0 if told["ok"] else 1)


def _play() -> dict[str, Any]:
    try:
        from steadycast.pipelines.canary import play
    except (ImportError, ValueError) as error:  # gi raises ValueError where a typelib is missing
        return {"ok": False, "gstreamer": None, "missing": [], "why": f"GStreamer cannot be used from Python: {error}"}
    return play(PLAY_S)


if __name__ == "__main__":
    main()

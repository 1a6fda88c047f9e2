"""A throw-away child that plans pipelines with the elements that are really here, and prints them as JSON.

Reads `{"rendition": Rendition, "picture": {"width", "height", "fps"}, "orders": [[EncoderOrder, ...], ...]}` from its
standard input: for each device its ways to encode, of which the first that can be planned counts. Prints `{"ok",
"gstreamer", "plans": [{"plan": Explanation or None, "refused": [{"element", "what", "why", "hint"}, ...]}, ...]}`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from steadycast.errors import SteadycastError
from steadycast.model import EncoderOrder, Rendition
from steadycast.workers.codec import from_plain, to_plain

QUESTION_BYTES = 1 << 20


def main() -> None:
    told = _told()
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    os._exit(0 if told["ok"] else 1)  # whatever a plugin that was loaded would do at the end


def _told() -> dict[str, Any]:
    try:
        question = json.loads(sys.stdin.buffer.read(QUESTION_BYTES))
        rendition = from_plain(Rendition, question["rendition"])
        orders = [[from_plain(EncoderOrder, one) for one in device] for device in question["orders"]]
        size = question["picture"]
    except (ValueError, KeyError, TypeError) as error:
        return {"ok": False, "what": f"the question cannot be read: {error}"}
    try:
        from steadycast.pipelines.gst import version
    except (ImportError, ValueError) as error:  # gi raises ValueError where a typelib is missing
        return {"ok": False, "what": f"GStreamer cannot be used from Python: {error}"}
    return {"ok": True, "gstreamer": version(), "plans": [_planned(rendition, size, device) for device in orders]}


def _planned(rendition: Rendition, size: dict[str, Any], orders: list[EncoderOrder]) -> dict[str, Any]:
    from steadycast.pipelines.describe import InstalledElements
    from steadycast.pipelines.explain import explain
    from steadycast.pipelines.parts import Limits
    from steadycast.pipelines.work import Picture

    refused: list[dict[str, Any]] = []
    limits = Limits(cpus=len(os.sched_getaffinity(0)))
    for order in orders:
        try:
            plan = explain(rendition, Picture(**size), limits, order, InstalledElements())
            return {"plan": to_plain(plan), "refused": refused}
        except SteadycastError as error:
            element = " or ".join(order.elements) or order.entry
            refused.append({"element": element, "what": error.what, "why": error.why, "hint": error.hint})
    return {"plan": None, "refused": refused}


if __name__ == "__main__":
    main()

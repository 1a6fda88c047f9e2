"""What is true of the server when its log says something: what tells causes apart. Read in microseconds."""

from __future__ import annotations

import time
from collections.abc import Mapping

from steadycast.model import Bound, Resource
from steadycast.tracking import proc
from steadycast.tracking.probes.limits import meminfo, open_files
from steadycast.tracking.signatures.facts import Facts
from steadycast.watching.guard.record import Life, clock

FRESH_S, OLD_S = 60.0, 600.0  # younger is new, older had worked before; between them nobody knows


def log_facts(life: Life | None, bounds: Mapping[Resource, Bound]) -> Facts | None:
    """None: no life is known. `bounds` are those of the newest look, if there was one."""
    if life is None or life.pid is None:
        return None
    used = proc.descriptors(life.pid)
    try:
        limit = open_files((proc.PROC / str(life.pid) / "limits").read_text())
    except OSError:
        limit = None
    memory = meminfo()
    vram = bounds.get(Resource.VRAM)
    age = None if life.since is None else clock() - life.since
    return Facts(
        at=time.time(),
        pid=life.pid,
        descriptors=None if used is None else len(used),
        descriptor_limit=limit,
        vram_free=None if vram is None else int(vram.limit - vram.used),
        vram_total=None if vram is None else int(vram.limit),
        memory_free=memory.get("MemAvailable"),
        memory_total=memory.get("MemTotal"),
        fresh=None if age is None else True if age < FRESH_S else False if age > OLD_S else None,
    )

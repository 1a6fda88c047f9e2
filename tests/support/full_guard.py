"""Run by `unshare -m`: mounts a small disk on a folder, writes down what guard did, fills the disk to the last byte,
and writes down more. Prints JSON: which latch each next guard would know of, and which files there are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from steadycast.tracking import proc
from steadycast.watching.guard import record
from steadycast.watching.guard.facts import Latch, Memory
from tests.support.full_disk import DISK, fill


def known(folder: Path, latch: Latch | None) -> str | None:
    """Write it down, and read it as the next guard does."""
    record.write(folder, record.Record("t", proc.boot_id(), 7, None, Memory(latch=latch), {}))
    found = record.read(folder, "t")
    return found.memory.latch.why if found is not None and found.memory.latch is not None else None


def main(folder: Path) -> None:
    """What is printed."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "none", str(folder)], check=True)
    before = known(folder, None)
    fill(folder)
    latched = known(folder, Latch(1.0, "it dies at once"))
    again = known(folder, None)
    files = sorted(path.name for path in folder.iterdir())
    sys.stdout.write(json.dumps({"before": before, "latched": latched, "again": again, "files": files}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

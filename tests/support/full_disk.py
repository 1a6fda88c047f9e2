"""Run by `unshare -m`: mounts a small disk on a folder, fills it to the last byte, and deletes all lobbies of a store.

Prints JSON: what the store said to a new lobby, whether a receipt could be kept, what a store that is opened again on
the full disk still has, and how much of what is kept for a full disk is left of how much.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path

from steadycast.errors import RefusedError
from steadycast.lobbies.reserve import BYTES
from steadycast.lobbies.store import Store, StoredLobby
from steadycast.model import Receipt, WorkerKind

LOBBIES = 120
DISK = "8m"


def fill(folder: Path) -> None:
    """Until not a byte more can be written."""
    with (folder / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def delete_all(folder: Path) -> dict[str, object]:
    """What is printed."""
    store = Store(folder / "s.db")
    await store.open()
    for number in range(LOBBIES):
        await store.add_lobby(StoredLobby(f"l_{number}", f"key {number}", number, "x" * 1500))
    fill(folder)
    refused = None
    try:
        await store.add_lobby(StoredLobby("l_new", None, 0, "x" * 100_000))
    except RefusedError as error:
        refused = error.code
    await store.add_receipt(Receipt("r", "w", WorkerKind.LOBBY, 7, None, "died", 1.0, 2.0, None, 9, (), (), True))
    for number in range(LOBBIES):
        await store.remove_lobbies([f"l_{number}"])
    left = (folder / "s.db.reserve").stat().st_size
    again = Store(folder / "s.db")  # the first one was killed, as it were
    await again.open()
    return {"refused": refused, "lobbies": len(await again.lobbies()), "left": left, "of": BYTES}


if __name__ == "__main__":
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "none", sys.argv[1]], check=True)
    sys.stdout.write(json.dumps(asyncio.run(delete_all(Path(sys.argv[1])))))

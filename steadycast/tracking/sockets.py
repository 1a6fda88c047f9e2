"""Ports that a process's sockets are bound to, by the inodes of its sockets in the tables of its network namespace."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from steadycast.tracking import proc

_TABLES = ("tcp", "udp", "tcp6", "udp6")


def inodes(targets: Iterable[str]) -> frozenset[int]:
    """Inodes of the sockets among what descriptors lead to (`socket:[4711]`)."""
    return frozenset(
        int(target[8:-1]) for target in targets if target.startswith("socket:[") and target[8:-1].isdigit()
    )


def bound(pid: int, sockets: Collection[int]) -> tuple[str, ...] | None:
    """Local ports of these sockets of a process, as `udp:40000`, sorted, each once; None where no table is readable.

    Unix sockets have none. Connections that a listening socket accepted have its port.
    """
    if not sockets:
        return ()
    found: set[tuple[str, int]] = set()
    readable = False
    for table in _TABLES:
        try:
            text = (proc.PROC / str(pid) / "net" / table).read_text()
        except OSError:
            continue  # no IPv6 here, or the process is gone
        readable = True
        found |= {(table.rstrip("6"), port) for port in parse(text, sockets)}
    return tuple(f"{name}:{port}" for name, port in sorted(found)) if readable else None


def parse(text: str, sockets: Collection[int]) -> frozenset[int]:
    """Local ports of these inodes in one table of /proc/<pid>/net (proc(5): field 2 is the address, 10 the inode).

    A port of 0 is not bound yet and is left out.
    """
    ports = set()
    for line in text.splitlines()[1:]:
        fields = line.split(None, 10)
        if len(fields) > 9 and fields[9].isdigit() and int(fields[9]) in sockets:
            port = int(fields[1].rpartition(":")[2], 16)
            if port:
                ports.add(port)
    return frozenset(ports)

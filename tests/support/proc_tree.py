"""Made-up /proc and /sys below a folder: processes as far as the probes read them, control groups, meminfo."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096
ROLLUP = """55d0c5b1d000-7ffd1b5f2000 ---p 00000000 00:00 0                          [rollup]
Rss:               {rss} kB
Pss:               {pss} kB
Shared_Clean:       1000 kB
Private_Clean:       100 kB
Private_Dirty:     {dirty} kB
Swap:              {swap} kB
"""
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max stack size            8388608              unlimited            bytes
Max open files            1024                 524288               files
"""


@dataclass
class RecordedProcess:
    """One process. Sizes in kB."""

    pid: int
    name: str = "server"
    parent: int = 1
    state: str = "S"
    started: int = 1000
    threads: dict[int, str] = field(default_factory=dict)
    descriptors: dict[int, str] = field(default_factory=dict)
    infos: dict[int, str] = field(default_factory=dict)
    rss: int = 20_000
    dirty: int = 8_000
    swap: int = 0
    command: str = ""
    inside: tuple[int, ...] = ()  # pids in namespaces below ours
    cgroup: str = "0::/\n"


class ProcTree:
    """Write processes, change them, end them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/meminfo").write_text("MemTotal:       16000000 kB\nMemAvailable:    6000000 kB\n")
        (root / "proc/self/mountinfo").write_text("")

    def folder(self, pid: int) -> Path:
        return self.root / "proc" / str(pid)

    def write(self, one: RecordedProcess) -> None:
        """As it is now."""
        folder = self.folder(one.pid)
        for part in ("fd", "fdinfo", "task"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        tasks = one.threads or {one.pid: one.name}
        ids = f"{one.parent} {one.pid} {one.pid}"
        zeros = " ".join(["0"] * 13)
        text = f"{one.pid} ({one.name}) {one.state} {ids} {zeros} {len(tasks)} 0 {one.started} 0\n"
        (folder / "stat").write_text(text)
        (folder / "statm").write_text(f"9000 {one.rss * 1024 // PAGE} 500 1 0 900 0\n")
        (folder / "cmdline").write_text((one.command or one.name).replace(" ", "\0") + "\0")
        (folder / "cgroup").write_text(one.cgroup)
        (folder / "limits").write_text(LIMITS)
        (folder / "status").write_text("NSpid:\t" + "\t".join(map(str, (one.pid, *one.inside))) + "\n")
        rollup = folder / "smaps_rollup"
        if not rollup.is_fifo():
            rollup.write_text(ROLLUP.format(rss=one.rss, pss=one.dirty + 1000, dirty=one.dirty, swap=one.swap))
        self._tasks(folder / "task", tasks)
        self._descriptors(folder, one)

    def end(self, pid: int) -> None:
        """It is gone."""
        _remove(self.folder(pid))

    def _tasks(self, folder: Path, tasks: dict[int, str]) -> None:
        for entry in list(folder.iterdir()):
            _remove(entry)
        for number, name in tasks.items():
            (folder / str(number)).mkdir()
            (folder / str(number) / "comm").write_text(name + "\n")

    def _descriptors(self, folder: Path, one: RecordedProcess) -> None:
        for part in ("fd", "fdinfo"):
            for entry in list((folder / part).iterdir()):
                entry.unlink()
        for number, target in one.descriptors.items():
            (folder / "fd" / str(number)).symlink_to(target)
            (folder / "fdinfo" / str(number)).write_text(one.infos.get(number, "pos:\t0\nflags:\t02\n"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for entry in list(path.iterdir()):
            _remove(entry)
        path.rmdir()
    else:
        path.unlink()


def dmabuf(inode: int, size: int) -> str:
    """Fdinfo of a dma-buf (Linux: filesystems/proc.rst)."""
    return f"pos:\t0\nflags:\t02\nmnt_id:\t14\nino:\t{inode}\nsize:\t{size}\ncount:\t2\nexp_name:\tsystem-heap\n"

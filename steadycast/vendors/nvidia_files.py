"""What files tell of NVIDIA's driver. Nothing is opened on a device: initialising NVML as root without a driver would
leave a /dev/nvidiactl behind."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_LIBRARY_FOLDERS = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "usr/local/nvidia/lib64",
    "usr/lib/wsl/lib",
    "run/opengl-driver/lib",
)
_CONTAINER_SIGNS = (".dockerenv", "run/.containerenv")
_NUMBERED = re.compile(r"nvidia\d+")


@dataclass(frozen=True, slots=True)
class NvidiaFiles:
    """What is there: the driver in the kernel, device nodes, libraries, cards on the bus that no other driver has."""

    driver: bool
    nodes: tuple[str, ...] = ()
    control_node: bool = False
    closed: tuple[str, ...] = ()  # nodes that this user may not open
    nvml: str | None = None
    encode: str | None = None
    cards: tuple[str, ...] = ()
    container: bool = False

    @property
    def answers(self) -> bool:
        """Whether NVML may be asked without leaving anything behind."""
        return self.driver or (self.control_node and bool(self.nodes))


def look_at_files(root: Path = Path("/")) -> NvidiaFiles:
    """Reads names below `root`; never raises."""
    dev = root / "dev"
    nodes = tuple(sorted(f"/dev/{name}" for name in _names(dev) if _NUMBERED.fullmatch(name)))
    control = (dev / "nvidiactl").exists()
    wanted = (*nodes, "/dev/nvidiactl") if control else nodes
    return NvidiaFiles(
        driver=(root / "proc/driver/nvidia/version").exists() or (root / "sys/module/nvidia/version").exists(),
        nodes=nodes,
        control_node=control,
        closed=tuple(node for node in wanted if not os.access(root / node[1:], os.R_OK | os.W_OK)),
        nvml=find_library("libnvidia-ml.so.1", root),
        encode=find_library("libnvidia-encode.so.1", root),
        cards=cards(root),
        container=any((root / sign).exists() for sign in _CONTAINER_SIGNS),
    )


def find_library(name: str, root: Path = Path("/")) -> str | None:
    """Where the dynamic linker may find a library, as far as folders tell; it is not loaded."""
    folders = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder.startswith("/")]
    for folder in (*folders, *_configured(root), *_LIBRARY_FOLDERS):
        path = root / folder.lstrip("/") / name
        try:
            if path.exists():
                return str(path)
        except OSError:
            continue
    return None


def cards(root: Path = Path("/")) -> tuple[str, ...]:
    """PCI addresses of NVIDIA's display and 3D controllers that are not given to a virtual machine or nouveau."""
    found = []
    for name in _names(root / "sys/bus/pci/devices"):
        folder = root / "sys/bus/pci/devices" / name
        if _read(folder / "vendor") != "0x10de" or not _read(folder / "class").startswith("0x03"):
            continue
        driver = Path(os.path.realpath(folder / "driver")).name if (folder / "driver").exists() else "nvidia"
        if driver == "nvidia":
            found.append(name)
    return tuple(sorted(found))


def _configured(root: Path) -> list[str]:
    """Folders of /etc/ld.so.conf.d."""
    folder = root / "etc/ld.so.conf.d"
    texts = [_read(folder / name) for name in sorted(_names(folder)) if name.endswith(".conf")]
    return [line.strip() for text in texts for line in text.splitlines() if line.strip().startswith("/")]


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""

"""Made-up file systems of machines with GPUs: /sys, /proc and /dev as far as anybody here reads them."""

from __future__ import annotations

from pathlib import Path

INITIAL_PIDS = "pid:[4026531836]"  # of the first pid namespace


def render_node(root: Path, number: int, address: str, vendor: str, driver: str, *, device: bool = True) -> Path:
    """A GPU with a render node; the answer is its folder in sysfs."""
    folder = root / "sys/devices/pci" / address
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(vendor + "\n")
    (root / "sys/drivers" / driver).mkdir(parents=True, exist_ok=True)
    (folder / "driver").symlink_to(root / "sys/drivers" / driver)
    entry = root / "sys/class/drm" / f"renderD{number}"
    entry.mkdir(parents=True)
    (entry / "device").symlink_to(folder)
    if device:
        (root / "dev/dri").mkdir(parents=True, exist_ok=True)
        (root / "dev/dri" / f"renderD{number}").touch()
    return folder


def process(root: Path, pid: int, name: str, descriptors: dict[int, str], info: dict[int, str] | None = None) -> None:
    """A process with open files, and fdinfo for some of them."""
    folder = root / "proc" / str(pid)
    for part in ("fd", "fdinfo"):
        (folder / part).mkdir(parents=True)
    (folder / "comm").write_text(name + "\n")
    for number, target in descriptors.items():
        (folder / "fd" / str(number)).symlink_to(target)
        (folder / "fdinfo" / str(number)).write_text((info or {}).get(number, "pos:\t0\n"))


def pid_namespace(root: Path, link: str = INITIAL_PIDS) -> None:
    """What `/proc/self/ns/pid` says."""
    (root / "proc/self/ns").mkdir(parents=True)
    (root / "proc/self/ns/pid").symlink_to(link)


def nvidia_driver(root: Path, nodes: int = 1) -> None:
    """The driver in the kernel, and its nodes."""
    (root / "proc/driver/nvidia").mkdir(parents=True)
    (root / "proc/driver/nvidia/version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04\n")
    (root / "dev").mkdir(exist_ok=True)
    for name in ("nvidiactl", *(f"nvidia{number}" for number in range(nodes))):
        (root / "dev" / name).touch()


def nvidia_card(root: Path, address: str, driver: str | None = None) -> None:
    """A card on the bus."""
    folder = root / "sys/bus/pci/devices" / address
    folder.mkdir(parents=True)
    (folder / "vendor").write_text("0x10de\n")
    (folder / "class").write_text("0x030000\n")
    if driver is not None:
        (root / "sys/drivers" / driver).mkdir(parents=True, exist_ok=True)
        (folder / "driver").symlink_to(root / "sys/drivers" / driver)


def library(root: Path, name: str) -> None:
    """A library where the linker looks."""
    (root / "usr/lib64").mkdir(parents=True, exist_ok=True)
    (root / "usr/lib64" / name).touch()


def va_machine(root: Path) -> None:
    """An Intel GPU, an AMD GPU with two programs on it, and an NVIDIA GPU."""
    render_node(root, 128, "0000:00:02.0", "0x8086", "i915")
    amd = render_node(root, 129, "0000:03:00.0", "0x1002", "amdgpu")
    (amd / "mem_info_vram_total").write_text("8573157376\n")
    (amd / "mem_info_vram_used").write_text("1073741824\n")
    (amd / "gpu_busy_percent").write_text("25\n")
    (amd / "product_name").write_text("Radeon PRO W6600\n")
    render_node(root, 130, "0000:04:00.0", "0x10de", "nvidia")
    shared = fdinfo("0000:03:00.0", 7, "drm-memory-vram:\t204800 KiB\ndrm-total-vram:\t999999 KiB")
    own = fdinfo("0000:03:00.0", 8, "drm-resident-vram:\t10 MiB\ndrm-memory-vram:\t10 MiB")
    process(
        root, 500, "encoder", {3: "/dev/dri/renderD129", 4: "/dev/dri/renderD129", 5: "/tmp/x"}, {3: shared, 4: own}
    )
    process(root, 501, "child", {3: "/dev/dri/renderD129", 9: "socket:[1]"}, {3: shared, 9: shared})
    process(root, 502, "intel", {3: "/dev/dri/renderD128"}, {3: fdinfo("0000:00:02.0", 1, "drm-engine-video:\t5 ns")})


def fdinfo(address: str, client: int, keys: str) -> str:
    """Of one descriptor on a DRM node."""
    return f"pos:\t0\nflags:\t02\ndrm-driver:\tany\ndrm-pdev:\t{address}\ndrm-client-id:\t{client}\n{keys}\n"

"""GPUs of a process and of a machine: fdinfo of amdgpu, i915 and xe, sysfs, drivers that fail or hang."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from steadycast.model import Measured, Resource
from steadycast.tracking.probes.descriptors import Shares
from steadycast.tracking.probes.devices import DEADLINE_S, Devices, of_device, of_process
from steadycast.tracking.probes.drm import Clients
from steadycast.tracking.probes.process import Process
from steadycast.tracking.probes.reading import Reading
from steadycast.vendors.fdinfo import engines_of
from steadycast.vendors.look import render_nodes
from steadycast.vendors.protocol import DeviceUse, OpenSession, VendorError
from steadycast.vendors.va import use_of
from tests.support.machine_tree import fdinfo, render_node
from tests.support.proc_tree import ProcTree, RecordedProcess

AMD, INTEL, XE = "0000:03:00.0", "0000:00:02.0", "0000:07:00.0"
AMDGPU = (
    "drm-memory-vram:\t2048 KiB\ndrm-total-vram:\t9 MiB\ndrm-memory-gtt:\t1 MiB\n"
    "drm-engine-gfx:\t{gfx} ns\ndrm-engine-enc:\t{enc} ns"
)
I915 = (
    "drm-engine-render:\t5 ns\ndrm-engine-video:\t{video} ns\n"
    "drm-engine-capacity-video:\t2\ndrm-engine-video-enhance:\t7 ns"
)
XE_KEYS = (
    "drm-resident-vram0:\t4 MiB\ndrm-resident-system:\t512\ndrm-cycles-vcs:\t{used}\ndrm-total-cycles-vcs:\t{total}"
)


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    return ProcTree(tmp_path)


def clients(tree: ProcTree, pid: int, infos: dict[int, str], shares: Shares | None = None) -> Clients:
    nodes = {number: f"/dev/dri/renderD{128 + number}" for number in infos}
    tree.write(RecordedProcess(pid, descriptors=nodes, infos=infos))
    return Clients(Process(pid, tree.root), shares or Shares())


def seen(found: Clients, nodes: Sequence[str], now: float) -> Reading:
    reading = Reading()
    found.read(tuple(nodes), now, reading)
    return reading


def test_three_drivers_in_one_process(tree: ProcTree) -> None:
    infos = {
        3: fdinfo(AMD, 7, AMDGPU.format(gfx=0, enc=0)),
        4: fdinfo(AMD, 7, AMDGPU.format(gfx=0, enc=0)),  # the same client
        5: fdinfo(INTEL, 1, I915.format(video=0)),
        6: fdinfo(XE, 2, XE_KEYS.format(used=100, total=1000)),
    }
    one = clients(tree, 10, infos)
    first = seen(one, "3456", 100.0)
    assert first.values == {
        Measured(Resource.VRAM, f"va:{AMD}"): 2 << 20,
        Measured(Resource.SHARED_VRAM, f"va:{AMD}"): 1 << 20,
        Measured(Resource.VRAM, f"va:{XE}"): 4 << 20,
        Measured(Resource.SHARED_VRAM, f"va:{XE}"): 512,
    }
    for number, keys in ((3, AMDGPU.format(gfx=500_000_000, enc=250_000_000)), (4, AMDGPU.format(gfx=0, enc=0))):
        (tree.folder(10) / f"fdinfo/{number}").write_text(fdinfo(AMD, 7 if number == 3 else 8, keys))
    (tree.folder(10) / "fdinfo/5").write_text(fdinfo(INTEL, 1, I915.format(video=1_000_000_000)))
    (tree.folder(10) / "fdinfo/6").write_text(fdinfo(XE, 2, XE_KEYS.format(used=400, total=2000)))
    later = seen(one, "3456", 101.0).values
    assert later[Measured(Resource.GPU_BUSY, f"va:{AMD}")] == pytest.approx(0.5)
    assert later[Measured(Resource.ENCODER_BUSY, f"va:{AMD}")] == pytest.approx(0.25)
    assert later[Measured(Resource.ENCODER_BUSY, f"va:{INTEL}")] == pytest.approx(0.5), "two such engines"
    assert later[Measured(Resource.ENCODER_BUSY, f"va:{XE}")] == pytest.approx(0.3)


def test_a_client_of_two_processes_counts_once_and_none_left_is_0(tree: ProcTree) -> None:
    info, shares = {3: fdinfo(AMD, 7, AMDGPU.format(gfx=0, enc=0))}, Shares()
    first, second = clients(tree, 10, info, shares), clients(tree, 11, info, shares)
    vram = Measured(Resource.VRAM, f"va:{AMD}")
    assert [seen(one, "3", 1.0).values[vram] for one in (first, second)] == [2 << 20, 0]
    assert seen(first, "", 2.0).values[vram] == 0
    assert seen(second, "3", 3.0).values[vram] == 2 << 20


def test_a_kernel_without_memory_keys_has_a_reason(tree: ProcTree) -> None:
    reading = seen(clients(tree, 10, {3: fdinfo(INTEL, 1, I915.format(video=0))}), "3", 1.0)
    assert "prints no memory" in reading.unknown[Resource.VRAM]
    assert seen(clients(tree, 11, {3: "pos:\t0\n"}), "3", 1.0).unknown == {}, "NVIDIA's nodes have no drm keys"


def test_engines_that_only_decode_or_enhance_do_not_encode() -> None:
    found = engines_of({"drm-engine-dec": "5 ns", "drm-engine-enc_1": "5 ns", "drm-engine-video-enhance": "5 ns"})
    assert {name: engine.encodes for name, engine in found.items()} == {
        "dec": False,
        "enc_1": True,
        "video-enhance": False,
    }


def test_devices_by_sysfs_and_xe_by_debugfs(tmp_path: Path) -> None:
    amd = render_node(tmp_path, 128, AMD, "0x1002", "amdgpu")
    for name, text in (("mem_info_vram_total", "8573157376"), ("mem_info_vram_used", "1073741824")):
        (amd / name).write_text(text + "\n")
    (amd / "mem_info_gtt_used").write_text("4096\n")
    (amd / "vcn_busy_percent").write_text("40\n")
    render_node(tmp_path, 129, XE, "0x8086", "xe")
    table = tmp_path / "sys/kernel/debug/dri" / XE
    table.mkdir(parents=True)
    (table / "vram0_mm").write_text(
        "  use_type: 1\n  use_tt: 0\n  size: 8522825728\n  usage: 54525952\ndefault_page_size: 4KiB\n"
    )
    first, second = (use_of(gpu, tmp_path) for gpu in render_nodes(tmp_path))
    reading = Reading()
    (bound,) = of_device(first, reading)
    assert (bound.name, bound.limit, bound.used) == ("VRAM", 8573157376, 1073741824)
    assert reading.values[Measured(Resource.SHARED_VRAM)] == 4096
    assert reading.values[Measured(Resource.ENCODER_BUSY)] == pytest.approx(0.4)
    assert reading.unknown[Resource.ENCODER_SESSIONS] == "the driver does not tell"
    assert (second.vram_total, second.vram_used) == (8522825728, 54525952)


def test_a_process_on_a_device() -> None:
    use = DeviceUse("nvidia:a", sessions=(OpenSession(10), OpenSession(10), OpenSession(None)), memory_by_pid={10: 300})
    known, reading = Reading(), Reading()
    assert of_process(use, 11, known, reading) == ()
    assert not reading.values, "it is not on it"
    of_process(use, 10, known, reading)
    vram = Measured(Resource.VRAM, "nvidia:a")
    assert reading.values == {vram: 300, Measured(Resource.ENCODER_SESSIONS, "nvidia:a"): 2}
    known.add(reading)
    gone = Reading()
    of_process(DeviceUse("nvidia:a", memory_by_pid={}), 10, known, gone)
    assert gone.values == {vram: 0}
    silent = Reading()
    of_process(DeviceUse("nvidia:a", memory_by_pid=None), 10, known, silent)
    assert not silent.values, "a driver that does not tell (WDDM) says nothing, not 0"


def test_a_driver_that_hangs_is_said_and_not_asked_again() -> None:
    gate, asked = threading.Event(), []

    def hangs() -> Sequence[DeviceUse]:
        asked.append(1)
        gate.wait()
        return [DeviceUse("nvidia:a")]

    def fails() -> Sequence[DeviceUse]:
        raise VendorError("NVML: GPU is lost")

    devices = Devices({"NVIDIA": hangs, "DRM": fails}, step_s=1.0)
    assert devices.look(100.0, 0.01).uses == ()
    late = devices.look(100.0 + DEADLINE_S, 0.01)
    assert late.uses == ()
    assert any("no answer for 3 s" in why for why in late.why)
    assert len(asked) == 1
    gate.set()
    well = devices.look(101.0 + DEADLINE_S, 20.0)
    assert well.uses == (DeviceUse("nvidia:a"),)
    assert well.why == ("DRM: NVML: GPU is lost",)


def test_work_of_a_process_on_a_device() -> None:
    use, reading, known = (
        DeviceUse("nvidia:a", busy_by_pid={10: (0.3, 0.1)}, memory_by_pid={10: 1}),
        Reading(),
        Reading(),
    )
    of_process(use, 10, known, reading)
    assert reading.values[Measured(Resource.ENCODER_BUSY, "nvidia:a")] == 0.1
    known.add(reading)
    idle = Reading()
    of_process(DeviceUse("nvidia:a", busy_by_pid={}, memory_by_pid={10: 1}), 10, known, idle)
    assert idle.values[Measured(Resource.GPU_BUSY, "nvidia:a")] == 0, "who does nothing is not in the driver's list"

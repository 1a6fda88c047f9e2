"""A host beside vendors of third parties that hang, raise and lie."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.host import Host, running_host, wait_for
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process

CONFIG = """
[renditions]
linger_s = 1
[encoders]
look_s = 0.3
cpu_pixels_per_s = 1e9
[vendors.nvidia]
enabled = false
[vendors.va]
enabled = false
[vendors.simulated]
enabled = true
sessions = 2
"""
SOURCE = {"kind": "test", "width": 160, "height": 90, "fps": 10}
PLUGIN = '''
"""Vendors of a third party: each is well at first."""

import threading

import psutil

from steadycast.model import Codec
from steadycast.vendors.protocol import Device, DeviceUse, EncoderChoice, OpenSession, VendorLook


class Odd:
    def __init__(self, name):
        self.name = name
        self.looks = 0

    def look(self):
        self.looks += 1
        choices = (EncoderChoice(Codec.H264, self.name, ("nosuchenc",)),)
        device = Device(f"{self.name}:0", self.name, "Odd", True, f"{self.name}:0", choices, "1", 100)
        return VendorLook((device,), (DeviceUse(device.id, self.sessions()),))

    def sessions(self):
        if self.looks > 2 and self.name == "hangs":
            threading.Event().wait()
        if self.looks > 2 and self.name == "raises":
            raise ZeroDivisionError("of the plug-in")
        if self.looks > 2 and self.name == "nonsense":
            return (OpenSession(-7), "no session")
        if self.name == "accuses":
            return tuple(OpenSession(child.pid) for child in psutil.Process().children())
        return ()

    def close(self):
        pass


def hangs(table):
    return Odd("hangs")


def raises(table):
    return Odd("raises")


def nonsense(table):
    return Odd("nonsense")


def accuses(table):
    return Odd("accuses")
'''
NAMES = ("hangs", "raises", "nonsense", "accuses")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "odd_vendors.py").write_text(PLUGIN)
    info = folder / "odd_vendors-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-vendors\nVersion: 1\n")
    points = "".join(f"{name} = odd_vendors:{name}\n" for name in NAMES)
    (info / "entry_points.txt").write_text(f"[steadycast.vendors]\n{points}")
    tables = "".join(f"[vendors.others.{name}]\ndeadline_s = 0.5\n" for name in NAMES)
    with running_host(CONFIG + tables, more_env={"PYTHONPATH": str(folder)}) as host:
        yield host


def test_odd_vendors_harm_nobody(host: Host) -> None:
    """They are said to be what they are; lobbies play on the good vendor, and their workers live."""

    def states() -> dict[str, str]:
        return {view["vendor"]: view["state"] for view in host.get("/api/v1/devices")["items"]}

    wanted = {"hangs": "hung", "raises": "fails", "nonsense": "fails", "accuses": "works", "simulated": "works"}
    wait_for("the odd vendors to be known", lambda: wanted.items() <= states().items())
    why = {view["vendor"]: view["why"] for view in host.get("/api/v1/devices")["items"]}
    assert "ZeroDivisionError" in why["raises"]
    lobby = host.create("Beside", SOURCE)["id"]
    workers = host.wait_state(lobby, "STREAMING")["workers"]
    with RtspViewer(f"{host.rtsp}/{lobby}") as viewer:
        viewer.play()
        viewer.receive_frames(100)
        assert host.lobby(lobby)["renditions"][0]["seat"]["device"] == "simulated:0"
        assert host.lobby(lobby)["workers"] == workers, "a vendor's word alone ends no worker"
    assert host.delete(lobby)["state"] == "DESTROYED"

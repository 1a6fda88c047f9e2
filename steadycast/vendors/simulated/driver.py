"""The pretended driver: a folder that every process of the host opens sessions in, as it would at a real one.

Its cap holds across processes because each session is a lock in the kernel (`slots`); refusals and failures carry
NVENC's status codes (nvEncodeAPI.h).
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from steadycast.vendors.simulated.faults import FaultsFile
from steadycast.vendors.simulated.slots import Holder, Slot, SlotTable, exclusive

ELEMENT = "steadycastsimh264enc"  # GStreamer's name for its encoder
HANG_S = 120.0  # an open that hangs gives up then; whoever waits for it has ended its process long before
HANG_POLL_S = 0.05

INVALID_DEVICE = 4
DEVICE_NOT_EXIST = 5
OUT_OF_MEMORY = 10
ENCODER_BUSY = 18
GENERIC = 20
CLIENT_KEY = 21
CODES = {
    INVALID_DEVICE: "NV_ENC_ERR_INVALID_DEVICE",
    DEVICE_NOT_EXIST: "NV_ENC_ERR_DEVICE_NOT_EXIST",
    OUT_OF_MEMORY: "NV_ENC_ERR_OUT_OF_MEMORY",
    ENCODER_BUSY: "NV_ENC_ERR_ENCODER_BUSY",
    GENERIC: "NV_ENC_ERR_GENERIC",
    CLIENT_KEY: "NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY",
}


class SimulatedRefusal(Exception):
    """No session was opened; `code` is NVENC's."""

    def __init__(self, code: int) -> None:
        super().__init__(CODES[code])
        self.code = code


class SimulatedFailure(Exception):
    """A session that was open does not work any more; `code` is NVENC's."""

    def __init__(self, code: int) -> None:
        super().__init__(CODES[code])
        self.code = code


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """What the pretended hardware is. Bytes. `shared`: one cap for all GPUs; otherwise each has its own."""

    gpus: int
    sessions: int
    shared: bool
    vram_bytes: int
    session_vram_bytes: int
    refusal_code: int


class SimulatedSession:
    """An open encoder session; give it back with `close`. The kernel takes it back when the process ends."""

    def __init__(self, slot: Slot, lock: Path, faults: FaultsFile) -> None:
        current = faults.read()
        self._slot = slot
        self._lock = lock
        self._faults = faults
        self._frames_left = current.get("fail_after_frames") or None
        self._until_stall = current.get("stall_after_frames") or None
        self.memory_copies = bool(current.get("memory_copies"))

    def frame(self) -> bool:
        """Call before each frame. False: it is taken, and nothing is made of it. Raises SimulatedFailure."""
        try:
            current = self._faults.read()
        except FileNotFoundError:
            raise SimulatedFailure(DEVICE_NOT_EXIST) from None  # the driver was taken away
        except (OSError, ValueError):  # out of descriptors, or somebody wrote into the folder
            current = {"memory_copies": int(self.memory_copies)}
        if current.get("driver_lost"):
            raise SimulatedFailure(DEVICE_NOT_EXIST)
        self.memory_copies = bool(current.get("memory_copies"))
        if self._frames_left is not None:
            if self._frames_left == 0:
                raise SimulatedFailure(GENERIC)
            self._frames_left -= 1
        if self._until_stall is None:
            return True
        self._until_stall = max(0, self._until_stall - 1)
        return self._until_stall > 0

    def resize(self, width: int, height: int) -> None:
        """Note the size of its pictures, where it was not known at the open. Raises SimulatedFailure."""
        try:
            with exclusive(self._lock):
                self._slot.resize(width, height)
        except OSError as error:
            raise SimulatedFailure(GENERIC) from error

    def close(self) -> None:
        """Give it back. Twice is no error."""
        self._slot.close()


class SimulatedDriver:
    """The driver as any process sees it. Everything blocks, most for less than a millisecond."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = folder / "lock"
        self._facts = folder / "driver.json"
        self._table = SlotTable(folder / "slots")
        self._faults = FaultsFile(folder / "faults.json")

    def install(self, facts: DriverFacts, faults: Mapping[str, int]) -> None:
        """Make the folder, or take over one that is there: open sessions stay open. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        os.close(os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with exclusive(self._lock):
            new = self._facts.with_suffix(".new")
            new.write_text(json.dumps(asdict(facts)))
            new.replace(self._facts)
            self._faults.write(faults)

    def uninstall(self) -> None:
        """Remove the folder unless a session is open. Raises OSError."""
        with exclusive(self._lock):
            if not self._table.held():
                shutil.rmtree(self._folder)

    def open_session(
        self,
        gpu: int,
        codec: str,
        width: int | None = None,
        height: int | None = None,
        *,
        foreign: str | None = None,
    ) -> SimulatedSession:
        """Open a session on a GPU. Raises SimulatedRefusal. `foreign`: for a program of this name that faults spare."""
        faults = FaultsFile(self._folder / "faults.json")
        try:
            if foreign is None:
                _hang(faults)
            with exclusive(self._lock):
                facts = self.facts()
                if foreign is None:
                    _strike(faults, facts)
                name = foreign or _own_name()
                memory = facts.session_vram_bytes
                asked = Holder(os.getpid(), name, gpu, codec, width, height, memory, foreign is not None)
                return SimulatedSession(self._take(asked, facts), self._lock, faults)
        except FileNotFoundError:
            raise SimulatedRefusal(DEVICE_NOT_EXIST) from None
        except TimeoutError:
            raise SimulatedRefusal(ENCODER_BUSY) from None
        except (OSError, ValueError, TypeError) as error:  # no descriptors, or somebody wrote into the folder
            raise SimulatedRefusal(GENERIC) from error

    def facts(self) -> DriverFacts:
        """What it was installed with. Raises OSError."""
        return DriverFacts(**json.loads(self._facts.read_bytes()))

    def sessions(self) -> tuple[Holder, ...]:
        """All that are open, whoever holds them. Raises OSError."""
        with exclusive(self._lock):
            return self._table.held()

    def faults(self) -> dict[str, int]:
        """The faults in force that are not 0. Raises OSError."""
        return dict(self._faults.read())

    def set_faults(self, faults: Mapping[str, int]) -> None:
        """Change these, and leave the others. Raises OSError."""
        with exclusive(self._lock):
            self._faults.write({**self._faults.read(), **faults})

    def _take(self, asked: Holder, facts: DriverFacts) -> Slot:
        if not 0 <= asked.gpu < facts.gpus:
            raise SimulatedRefusal(INVALID_DEVICE)
        held = self._table.held()
        if sum(facts.shared or one.gpu == asked.gpu for one in held) >= facts.sessions:
            raise SimulatedRefusal(facts.refusal_code)
        if sum(one.vram for one in held if one.gpu == asked.gpu) + asked.vram > facts.vram_bytes:
            raise SimulatedRefusal(OUT_OF_MEMORY)
        slot = self._table.take(asked)
        if slot is None:
            raise SimulatedRefusal(facts.refusal_code)
        return slot


def _hang(faults: FaultsFile) -> None:
    end = time.monotonic() + HANG_S
    while faults.read().get("hang_on_open"):
        if time.monotonic() > end:
            raise SimulatedRefusal(GENERIC)
        time.sleep(HANG_POLL_S)


def _strike(faults: FaultsFile, facts: DriverFacts) -> None:
    """The faults that refuse an open, counted down where they count."""
    if faults.read().get("driver_lost"):
        raise SimulatedRefusal(DEVICE_NOT_EXIST)
    if faults.use_up("refuse_next") or faults.use_up("steal_slot"):
        raise SimulatedRefusal(facts.refusal_code)


def _own_name() -> str:
    return Path("/proc/self/comm").read_text().strip()

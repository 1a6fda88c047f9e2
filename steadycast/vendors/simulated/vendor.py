"""The simulated vendor: what a host is told of the pretended GPUs, and the faults that a person puts in force."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from steadycast.config.encoder_settings import SimulatedSettings
from steadycast.errors import CallerError, ConfigError, WorkerError
from steadycast.model import Codec
from steadycast.vendors.protocol import (
    Device,
    DeviceFault,
    DeviceUse,
    EncoderChoice,
    OpenSession,
    VendorError,
    VendorLook,
)
from steadycast.vendors.simulated.driver import DEVICE_NOT_EXIST, ELEMENT, DriverFacts, SimulatedDriver
from steadycast.vendors.simulated.faults import FAULTS, checked
from steadycast.vendors.simulated.foreign import ForeignProgram
from steadycast.vendors.simulated.slots import Holder

NAME = "simulated"
DRIVER = "simulated 1"
POOL = "simulated"
_SILENT = "The simulated driver does not answer"
_RESTART = "Its folder in the runtime folder was changed: restart the host."


class SimulatedVendor:
    """Implements `Vendor`. It owns the driver's folder below the runtime folder, and the foreign program."""

    def __init__(self, settings: SimulatedSettings, runtime: Path) -> None:
        """Install the driver. Raises ConfigError for a fault that there is not, OSError for a folder it cannot make."""
        self._settings = settings
        self._folder = runtime / NAME
        self._driver = SimulatedDriver(self._folder)
        self._busy = threading.Lock()  # looks come from other threads than the API's calls
        self._foreign: ForeignProgram | None = None
        self._lost_told = False
        self._driver.install(_facts(settings), _first_faults(settings))
        with self._busy:
            self._want_foreign()

    @property
    def name(self) -> str:
        return NAME

    def look(self) -> VendorLook:
        """The pretended GPUs and who holds sessions on them. Raises VendorError."""
        with self._busy:
            try:
                self._settle_foreign()
                held = self._driver.sessions()
                lost = self._news(bool(self._driver.faults().get("driver_lost")))
            except OSError as error:
                raise VendorError(f"{_SILENT}: {error.strerror}.", _RESTART) from None
        gpus = range(self._settings.gpus)
        return VendorLook(
            tuple(self._device(gpu) for gpu in gpus),
            tuple(self._use(gpu, [one for one in held if one.gpu == gpu], lost) for gpu in gpus),
        )

    def faults(self) -> dict[str, int]:
        """All faults that there are, with their values now; 0 is off. Raises WorkerError."""
        with self._busy, _spoken():
            return dict.fromkeys(FAULTS, 0) | self._driver.faults()

    def set_faults(self, faults: Mapping[str, float]) -> dict[str, int]:
        """Change these faults, leave the others, and answer with all. Blocks. Raises CallerError, WorkerError."""
        wanted = checked(faults)
        with self._busy, _spoken():
            self._driver.set_faults(wanted)
            if "foreign_sessions" in wanted:
                self._want_foreign()
                self._settle_foreign()
        return self.faults()

    def close(self) -> None:
        """End the foreign program, and remove the driver's folder if no session is open."""
        with self._busy:
            if self._foreign is not None:
                self._foreign.end()
                self._foreign = None
            if self._folder.exists():
                self._driver.uninstall()

    def foreign_pid(self) -> int | None:
        """The process that plays another program: a child of this one, and not to be taken for a part of it."""
        foreign = self._foreign
        return None if foreign is None else foreign.pid

    def _want_foreign(self) -> None:
        """Have the foreign program hold as many sessions as the fault says; `_settle_foreign` waits for it."""
        wanted = self._driver.faults().get("foreign_sessions", 0)
        if self._foreign is not None and not self._foreign.runs():
            self._foreign.end()
            self._foreign = None
        if self._foreign is None and wanted:
            self._foreign = ForeignProgram(self._folder)
        if self._foreign is not None:
            self._foreign.tell(wanted)

    def _settle_foreign(self) -> None:
        """Wait for what it was told; one that somebody ended is started again."""
        if self._foreign is not None and not self._foreign.runs():
            self._want_foreign()
        if self._foreign is not None:
            self._foreign.settle()

    def _news(self, lost: bool) -> bool:
        """Whether the driver is lost and this was not told yet."""
        news = lost and not self._lost_told
        self._lost_told = lost
        return news

    def _device(self, gpu: int) -> Device:
        settings = self._settings
        told = settings.sessions if settings.told_sessions is None else settings.told_sessions
        device = f"{NAME}:{gpu}"
        options = {"driver-folder": str(self._folder), "gpu": str(gpu), "style": settings.style}
        return Device(
            device,
            NAME,
            f"Simulated GPU {gpu} (not real)",
            hardware=True,
            pool=POOL if settings.pool == "shared" else device,
            choices=(EncoderChoice(Codec.H264, NAME, (ELEMENT,), options),),
            driver=DRIVER,
            session_cap=told,
            simulated=True,
            opens_alone=settings.style == "missing",
        )

    def _use(self, gpu: int, held: list[Holder], lost: bool) -> DeviceUse:
        memory: Counter[int] = Counter()
        for one in held:
            memory[one.pid] += one.vram
        what = f"The simulated driver is lost (NVENC {DEVICE_NOT_EXIST}): fault driver_lost."
        return DeviceUse(
            f"{NAME}:{gpu}",
            sessions=tuple(OpenSession(o.pid, o.name, Codec(o.codec), o.width, o.height) for o in held),
            session_count=len(held),
            vram_total=self._settings.vram_bytes,
            vram_used=sum(memory.values()),
            memory_by_pid=dict(memory),
            faults=(DeviceFault("driver_lost", what, fatal=True),) if lost else (),
        )


@contextmanager
def _spoken() -> Iterator[None]:
    """What the file system says of the driver's folder, as an error of ours."""
    try:
        yield
    except OSError as error:
        raise WorkerError("simulated.driver", f"{_SILENT}.", why=error.strerror, hint=_RESTART) from None


def _facts(settings: SimulatedSettings) -> DriverFacts:
    return DriverFacts(
        settings.gpus,
        settings.sessions,
        settings.pool == "shared",
        settings.vram_bytes,
        settings.session_vram_bytes,
        settings.refusal_code,
    )


def _first_faults(settings: SimulatedSettings) -> dict[str, int]:
    """Those of the config. Raises ConfigError."""
    try:
        return checked({"foreign_sessions": settings.foreign_sessions, **settings.faults})
    except CallerError as error:
        what = f"vendors.simulated.faults: {error.what}"
        raise ConfigError("config.fault", what, why=error.why, hint=error.hint) from None

"""What the room answers about devices, leases and admissions."""

from __future__ import annotations

from collections.abc import Callable

from steadycast.lobbies.device_views import AdmissionView, DeviceView, EncodersStatistics, GpuStatus, LeaseView
from steadycast.lobbies.encoders.encoders import Encoders
from steadycast.lobbies.views import Page


class Devices:
    """The part of `Lobbies` about encoders. `active` counts lobbies and viewers."""

    def __init__(self, encoders: Encoders, active: Callable[[], tuple[int, int]]) -> None:
        self._encoders = encoders
        self._active = active

    def devices(self) -> tuple[DeviceView, ...]:
        """What encodes here, hardware and software."""
        return self._encoders.devices()

    def leases(self) -> tuple[LeaseView, ...]:
        """What is lent of it, and to whom."""
        return self._encoders.leases()

    def admissions(self, after: int | None, limit: int) -> Page[AdmissionView]:
        """The last decisions, newest first; those before number `after`."""
        return self._encoders.admissions(after, limit)

    def gpu_status(self) -> GpuStatus:
        """Sessions used and allowed, and every device."""
        return self._encoders.gpu_status(*self._active())

    def encoders_statistics(self) -> EncodersStatistics:
        """Counters of the encoders."""
        return self._encoders.statistics()

    def refuse_device(self, device: str, why: str) -> bool:
        """Give no new work to a device until a trial works there; False where it refuses already or is unknown."""
        return self._encoders.refuse_device(device, why)

    async def retry_device(self, device: str) -> DeviceView:
        """Reset a device's breaker and find out anew what it encodes. Raises NotFoundError `device.unknown`."""
        return await self._encoders.retry(device)

"""What software encoders may use of this machine's CPU, and where the figure comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steadycast.config.encoder_settings import EncoderSettings
from steadycast.leases.cost import DEFAULT_FACTORS, assumed_cpu
from steadycast.leases.quota import Quota
from steadycast.lobbies.device_views import CpuView
from steadycast.model import Codec
from steadycast.workers.trials import Calibration

# Two measurements of one machine differ by some percent; a factor beyond this is no measurement.
LARGEST_FACTOR = 1000.0


class Cpu:
    """The quota `cpu`, in H.264 pixels a second. `mark` names what a measurement is true for."""

    def __init__(self, settings: EncoderSettings, quota: Quota, mark: str, cores: int) -> None:
        self._settings = settings
        self._quota = quota
        self.mark = mark
        self.factors: dict[Codec, float] = dict(DEFAULT_FACTORS)
        self.origin = "assumed"
        if settings.cpu_pixels_per_s is not None:
            self.origin = "configured"
            self._resize(settings.cpu_pixels_per_s)
        else:
            quota.resize(assumed_cpu(cores, settings.cpu_share))

    @property
    def wanted(self) -> bool:
        """Whether a measurement would tell something new."""
        return self.origin == "assumed"

    @property
    def total(self) -> float:
        return self._quota.limit or 0.0

    @property
    def free(self) -> float:
        return self._quota.free or 0.0

    def load(self, facts: Mapping[str, Any]) -> None:
        """What an earlier run measured; another machine, core count or GStreamer is measured anew."""
        kept = facts.get(self.mark)
        pixels = kept.get("pixels_per_s") if isinstance(kept, Mapping) else None
        factors = kept.get("factors") if isinstance(kept, Mapping) else None
        if not isinstance(pixels, int | float) or not isinstance(factors, Mapping) or not 0 < pixels < 1e15:
            return
        known = {codec.value: codec for codec in Codec}
        self._take(float(pixels), {known[name]: value for name, value in factors.items() if name in known})

    def measured(self, found: Calibration) -> dict[str, Any]:
        """A measurement; answers with what to keep of it under `mark`."""
        self._take(found.pixels_per_s, found.factors)
        return {"pixels_per_s": found.pixels_per_s, "factors": {codec.value: f for codec, f in found.factors.items()}}

    def view(self) -> CpuView:
        return CpuView(self.total, self._quota.lent, self.origin, {c.value: f for c, f in self.factors.items()})

    def _take(self, pixels_per_s: float, factors: Mapping[Codec, Any]) -> None:
        good = {c: float(f) for c, f in factors.items() if isinstance(f, int | float) and 0 < f <= LARGEST_FACTOR}
        self.factors.update(good)
        if self._settings.cpu_pixels_per_s is None:
            self.origin = "measured"
            self._resize(pixels_per_s)

    def _resize(self, pixels_per_s: float) -> None:
        self._quota.resize(float(int(pixels_per_s * self._settings.cpu_share)))

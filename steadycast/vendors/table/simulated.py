"""The simulated vendor's encoder: x264 behind a driver that is not real."""

from __future__ import annotations

from steadycast.model import Codec
from steadycast.vendors.table.row import H264, SYSTEM, Row
from steadycast.vendors.table.software import X264_SETTINGS

ROWS = (Row("simulated", Codec.H264, "simulated", ("steadycastsimh264enc",), X264_SETTINGS, (SYSTEM,), H264),)

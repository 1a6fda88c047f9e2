"""Reading an error message of the bus."""

from __future__ import annotations

from typing import Any

from steadycast.pipelines.failures import Fault
from steadycast.pipelines.gst import Gst


def fault_of(message: Any) -> Fault:
    """What an error message of the bus says."""
    error, debug = message.parse_error()
    factory = message.src.get_factory() if isinstance(message.src, Gst.Element) else None
    return Fault(error.domain, error.code, error.message, debug or "", factory.get_name() if factory else "")

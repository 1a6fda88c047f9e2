"""NVENC's session cap of consumer cards: a first guess by the driver's version, corrected by what happens. Pure.

The cap counts the sessions of all processes on all GeForce cards of a host together (NVENC Application Note of Video
Codec SDK 13.0, section 3: "8 per system"; of 13.1: 12); no API tells it, and a patched driver has none.
"""

from __future__ import annotations

import re

POOL = "geforce"  # all GeForce cards of this host

# (first driver branch, sessions). 3: github.com/keylase/nvidia-patch issue 443 (460.67) and
# NVIDIA/VideoProcessingFramework issue 172 (2021); 5: nvidia-patch pull requests 628 (530.41) and 639 (531.68);
# 8: nvidia-patch issues 776 (550.67) and 797 (555.42); 12: nvidia-patch issues 1022 (591.44) and 1027 (591.59).
_CAPS = ((591, 12), (550, 8), (530, 5), (0, 3))


def is_geforce(name: str) -> bool:
    """Whether a card of this name shares the cap of consumer cards."""
    return "geforce" in name.lower()


def table_cap(driver: str | None) -> int | None:
    """Sessions that drivers of this version are said to give; None where the version cannot be read."""
    match = re.match(r"(\d{2,5})\.\d", driver or "")
    if match is None:
        return None
    branch = int(match.group(1))
    return next(cap for first, cap in _CAPS if branch >= first)

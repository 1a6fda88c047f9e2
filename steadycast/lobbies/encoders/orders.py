"""From what a vendor offers, or an operator wrote, to the order that a worker opens. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from steadycast.config.encoder_settings import FragmentSettings
from steadycast.model import Codec, EncoderOrder
from steadycast.vendors.protocol import Device

CHOICES = 16  # ways to encode one codec on one device that are looked at


def orders_of(device: Device, fragments: Mapping[str, FragmentSettings]) -> dict[Codec, tuple[EncoderOrder, ...]]:
    """How a device may encode each codec, the best first: the operator's own fragments stand before the table."""
    found: dict[Codec, list[EncoderOrder]] = {}
    if device.none_because is not None:
        return {}
    for fragment in fragments.values():
        if fragment.device == device.id:
            order = EncoderOrder(
                device.id, device.vendor, fragment.codec, "fragment", fragment=fragment.launch, memory=fragment.memory
            )
            found.setdefault(fragment.codec, []).append(order)
    for choice in device.choices:
        order = EncoderOrder(
            device.id, device.vendor, choice.codec, choice.entry, tuple(choice.elements), dict(choice.options)
        )
        found.setdefault(choice.codec, []).append(order)
    return {codec: tuple(orders[:CHOICES]) for codec, orders in found.items()}


def mark_of(device: Device, gstreamer: str | None, orders: tuple[EncoderOrder, ...]) -> str:
    """What a trial's answer is true for: it changes with the driver, GStreamer, or what would be opened."""
    digest = hashlib.sha256(repr(orders).encode()).hexdigest()[:16]
    return f"{device.driver or '-'} {gstreamer or '-'} {digest}"

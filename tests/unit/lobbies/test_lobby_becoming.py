"""What becomes of open tracks when a request changes."""

from __future__ import annotations

from typing import Any

import pytest

from steadycast.config.settings import LobbySettings
from steadycast.lobbies.becoming import Fate, becomes, suits
from steadycast.model import EncodePolicy, HardwareUse, Rendition

MAIN = Rendition("main")


def request(renditions: list[dict[str, Any]], **encoders: Any) -> LobbySettings:
    body = {"name": "A", "source": {"kind": "test"}, "renditions": renditions, "encoders": encoders}
    return LobbySettings.model_validate(body)


@pytest.mark.parametrize(
    ("track", "encode", "renditions", "fate"),
    [
        ("main", MAIN, [], Fate.STAYS),
        ("main", MAIN, [{"name": "main"}], Fate.STAYS),
        ("main", MAIN, [{"name": "main", "bitrate_kbps": 500}], Fate.REOPENS),
        ("main", MAIN, [{"name": "main", "width": 640, "height": 360}], Fate.REOPENS),
        ("main", MAIN, [{"name": "main", "codec": "vp8"}], Fate.ENDS),
        ("main", MAIN, [{"name": "main", "codec": "copy"}], Fate.ENDS),
        ("main", MAIN, [{"name": "low"}], Fate.ENDS),
        ("main-vp8", Rendition("main-vp8", codec="vp8"), [], Fate.STAYS),
        ("main-vp8", Rendition("main-vp8", codec="vp8"), [{"name": "main"}], Fate.ENDS),
        ("copy", None, [], Fate.STAYS),
        ("copy", None, [{"name": "c", "codec": "copy"}], Fate.STAYS),
        ("copy", None, [{"name": "main"}], Fate.ENDS),
        ("audio", None, [{"name": "main"}], Fate.STAYS),
    ],
)
def test_fates(track: str, encode: Rendition | None, renditions: list[dict[str, Any]], fate: Fate) -> None:
    become = becomes(track, encode, request([]), request(renditions))
    assert become.fate is fate
    assert (become.why is not None) is (fate is Fate.ENDS)
    if fate is Fate.REOPENS:
        assert become.encode is not None and become.encode != encode and become.encode.codec == "h264"


@pytest.mark.parametrize(
    ("encoders", "fate"),
    [
        ({"hardware": "forbid"}, Fate.REOPENS),
        ({"device": "software"}, Fate.REOPENS),
        ({"priority": 9, "when_full": "queue"}, Fate.STAYS),
    ],
)
def test_where_it_encodes_changes_what_is_open(encoders: dict[str, Any], fate: Fate) -> None:
    assert becomes("main", MAIN, request([]), request([], **encoders)).fate is fate


def test_what_suits_a_policy() -> None:
    assert suits(EncodePolicy(HardwareUse.PREFER), "software", False)
    assert not suits(EncodePolicy(HardwareUse.REQUIRE), "software", False)
    assert not suits(EncodePolicy(HardwareUse.FORBID), "gpu", True)
    assert not suits(EncodePolicy(HardwareUse.PREFER, device="other"), "gpu", True)

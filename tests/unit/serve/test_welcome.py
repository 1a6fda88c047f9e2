"""What a host says when it started."""

from __future__ import annotations

from pathlib import Path

from steadycast.config.settings import Settings
from steadycast.lobbies.survival_views import AdoptionView
from steadycast.serve.folders import Folders
from steadycast.serve.welcome import welcome

FOLDERS = Folders(Path("/state"), Path("/run"))


def test_addresses_are_those_that_somebody_can_open() -> None:
    text = welcome(Settings(), FOLDERS, (), ["door"], "castle")
    assert "http://127.0.0.1:8800/whep/door   rtsp://127.0.0.1:8554/door" in text
    assert "GPU      none" in text
    for everywhere in ("0.0.0.0", "::"):
        text = welcome(Settings(host=everywhere), FOLDERS, (), ["door"], "castle")
        assert "http://castle:8800/" in text
        assert everywhere not in text
    assert "http://[2001:db8::1]:8800/" in welcome(Settings(host="2001:db8::1"), FOLDERS, (), ["door"], "castle")


def test_without_lobbies_the_form_of_their_addresses_is_shown() -> None:
    assert "rtsp://127.0.0.1:8554/{lobby}" in welcome(Settings(), FOLDERS, (), [], "castle")


def test_what_a_host_before_left_is_said() -> None:
    adoption = AdoptionView(1.0, {"lobby": 1, "display": 1, "egress": 1}, 2, 1, 1, (), 0.1)
    text = welcome(Settings(), FOLDERS, (), (), "box", adoption)
    assert "found    3 workers of the host before, 2 viewers kept, 1 worker ended" in text
    assert "found" not in welcome(Settings(), FOLDERS, (), (), "box")

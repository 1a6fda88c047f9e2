"""Every setting has a time at which a change of it is seen, and those that wait for the next start do wait."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.config.effects import EFFECTS, When, differing, effect_of, keys, settled, value_of
from steadycast.config.settings import LobbySettings, Settings
from steadycast.model import TestSource

OTHER = Settings.model_validate(
    {
        "port": 9000,
        "state": "/tmp/elsewhere",
        "log_level": "debug",
        "auth": {"token": "a-token-of-sixteen-letters"},
        "egress": {"workers": 3, "gop_bytes": 70_000, "mtu": 1000},
        "encoders": {"weights": {"software": 2}, "sessions": {"geforce": 3}, "open_s": 9},
        "limits": {"lobbies": 3, "viewers": 5, "sdp_bytes": 2048},
        "sources": {"any_command": True, "applications": {"clock": ["xclock"]}},
        "vendors": {"simulated": {"enabled": True, "gpus": 2}},
        "workers": {"spares": 0, "source_s": 7},
    }
)


def test_every_setting_has_an_effect() -> None:
    for key in keys():
        assert effect_of(key).words


def test_no_effect_is_of_a_setting_that_is_gone() -> None:
    there = tuple(keys())
    for name in EFFECTS:
        assert any(key.startswith(name) if name.endswith(".") else key == name for key in there), name


def test_a_key_that_is_none_is_an_error() -> None:
    for key in ("limits.lobby", "limits", "nothing", "port.more"):
        with pytest.raises(KeyError):
            effect_of(key)


def test_the_same_settings_do_not_differ() -> None:
    assert differing(Settings(), Settings()) == ()
    assert differing(OTHER, OTHER) == ()


def test_lobbies_are_no_setting_here() -> None:
    lobby = LobbySettings(name="one", source=TestSource())
    assert differing(Settings(), Settings(lobbies=(lobby,))) == ()
    assert settled(Settings(), Settings(lobbies=(lobby,))).lobbies == (lobby,)


@given(st.sets(st.sampled_from(sorted(keys()))))
def test_what_waits_stays_and_all_else_is_taken(chosen: set[str]) -> None:
    wanted = Settings()
    for key in chosen:
        parts = key.split(".")
        value = value_of(OTHER, key)
        for depth in range(len(parts) - 1, -1, -1):
            table = value_of(wanted, ".".join(parts[:depth])) if depth else wanted
            value = table.model_copy(update={parts[depth]: value})
        wanted = value
    after = settled(Settings(), wanted)
    for key in keys():
        waits = effect_of(key).when is When.RESTART
        assert value_of(after, key) == value_of(Settings() if waits else wanted, key), key
    still = differing(after, wanted)
    assert all(effect_of(key).when is When.RESTART for key in still)
    assert settled(after, wanted) == after


def test_the_table_in_the_docs_is_that_of_the_code() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reload.md").read_text().split("## When settings take effect")[1]
    rows: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 3:
            rows |= dict.fromkeys((name.strip(" `") for name in cells[0].split(",")), (cells[1], cells[2]))
    expected = {name + "*" if name.endswith(".") else name: effect for name, effect in EFFECTS.items()}
    assert rows == {name: (effect.when, effect.words) for name, effect in expected.items()}

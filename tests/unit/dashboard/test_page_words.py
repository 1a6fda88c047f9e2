"""What the host may say about encoders has words on the page and in the operator's document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from steadycast.dashboard.files import page_files
from steadycast.leases.breaker import BreakerState
from steadycast.leases.caps import CapOrigin
from steadycast.leases.decisions import Denial
from steadycast.lifecycle import RenditionState, ViewerState, WorkerState
from steadycast.lobbies.viewer import EVENTS
from steadycast.pipelines.staging.counts import CODES
from steadycast.vendors.protocol import VendorState
from steadycast.vendors.simulated.faults import FAULTS

WORDS = page_files()["encoders.js"].path.read_text()
HAPPENINGS = page_files()["happenings.js"].path.read_text()
LIMITS = (Path(__file__).parents[3] / "docs" / "limits.md").read_text()


@pytest.mark.parametrize("word", [*Denial, *BreakerState, *VendorState, *CapOrigin])
def test_the_page_has_a_text(word: str) -> None:
    assert re.search(rf"\b{word}: [{{\"]", WORDS)


@pytest.mark.parametrize("word", [*Denial, *BreakerState, *FAULTS])
def test_the_document_explains_it(word: str) -> None:
    assert f"| `{word}` |" in LIMITS


@pytest.mark.parametrize("state", [*RenditionState, *WorkerState])
def test_each_move_has_words(state: str) -> None:
    assert re.search(rf'^  {state}: "', HAPPENINGS, re.MULTILINE)


@pytest.mark.parametrize("state", ViewerState)
def test_each_move_of_a_viewer_has_words(state: ViewerState) -> None:
    assert re.search(rf'^  {EVENTS[state].partition(".")[2]}: "', HAPPENINGS, re.MULTILINE)


@pytest.mark.parametrize("code", [*CODES, "push.other"])
def test_each_refusal_of_a_pushed_picture_has_words(code: str) -> None:
    assert f'"{code}": "' in page_files()["pushed.js"].path.read_text()

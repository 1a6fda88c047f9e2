"""Houses on a database of the test's own, closed at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.encoder_house import Houses


@pytest.fixture
async def houses(tmp_path: Path) -> AsyncIterator[Houses]:
    built = Houses(tmp_path)
    yield built
    await built.close()

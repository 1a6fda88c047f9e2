"""What a terminal gets to see of texts that strangers chose."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from steadycast.config.settings import Settings
from steadycast.serve.logs import set_up_logs


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = True
    structlog.reset_defaults()


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings())
    structlog.get_logger("api").info("request", path="/\x1b[2J\x07\u202ex", what="a\nFAKE\r")
    logging.getLogger("uvicorn.error").warning("odd \x1b]0;title\x07 %s", "\x9b31m")
    text = capsys.readouterr().err
    assert text.count("\n") == 2
    assert all(line.isprintable() for line in text.splitlines())
    assert "\\x1b[2J" in text


def test_the_lines_of_an_error_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings())
    try:
        raise ValueError("no")
    except ValueError:
        structlog.get_logger("api").exception("failed")
    assert len(capsys.readouterr().err.splitlines()) > 3


def test_json_lines_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings(log_format="json"))
    structlog.get_logger("api").info("request", path="/\x1b\n")
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_shows_no_values(form: Literal["text", "json"], capsys: pytest.CaptureFixture[str]) -> None:
    """Variables of the frames may hold tokens and addresses of cameras."""

    def fail(address: str) -> None:
        raise ValueError(len(address))

    set_up_logs(Settings(log_format=form))
    try:
        fail("rtsp://anna:" + "secret".upper() + "@camera")
    except ValueError:
        structlog.get_logger("api").exception("failed")
    text = capsys.readouterr().err
    assert "ValueError" in text and "in fail" in text.replace('"name": "', "in ")
    assert "SECRET" not in text

"""What a dead X server left is found and removed; what belongs to another is not touched."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from steadycast.tracking import displays

SERVER, OTHER = 2**22 + 1, 2**22 + 2  # pids above the kernel's largest


@pytest.fixture
def number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(displays, "LOCKS", tmp_path)
    monkeypatch.setattr(displays, "SOCKETS", tmp_path)
    yield 7


def leave_socket(number: int) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(displays.socket_path(number)))


def lock(number: int, pid: int) -> None:
    displays.lock_path(number).write_text(f"{pid:>10}\n")


def test_nothing_there(number: int) -> None:
    assert displays.left_over(number, (SERVER,)) == ()
    assert displays.held_by((SERVER,)) == ()


@pytest.mark.parametrize("locked", [False, True])
def test_left_by_ours(number: int, locked: bool) -> None:
    leave_socket(number)
    if locked:
        lock(number, SERVER)
        assert displays.held_by((SERVER, OTHER)) == (number,)
    assert len(displays.left_over(number, (SERVER,))) == 1 + locked
    displays.remove(number, (SERVER,))
    assert displays.left_over(number, (SERVER,)) == ()
    assert list(displays.SOCKETS.iterdir()) == []


def test_the_lock_of_another_is_left(number: int) -> None:
    leave_socket(number)
    lock(number, OTHER)
    displays.remove(number, (SERVER,))
    assert displays.left_over(number, (SERVER,)) == ()
    assert len(list(displays.SOCKETS.iterdir())) == 2


def test_a_server_that_answers_is_left(number: int) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(displays.socket_path(number)))
        server.listen()
        displays.remove(number, (SERVER,))
        assert displays.left_over(number, (SERVER,)) == ()
        assert displays.socket_path(number).exists()


def test_a_lock_that_is_none(number: int) -> None:
    displays.lock_path(number).write_text("garbage")
    assert displays.lock_owner(number) is None
    assert displays.held_by((SERVER,)) == ()

"""Threads for reads that may never come back: the file of a process that holds a lock for ever, a driver that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

LEFT_BEHIND = 8  # threads that hang, at most; with more, nothing is read any more until one comes back

Task = Callable[[], object]


class _Batch:
    """Tasks that one thread does one after the other. `began` is of the task it is at."""

    def __init__(self, tasks: Sequence[Task], first: int) -> None:
        self.tasks = tasks
        self.at = first
        self.began = time.monotonic()
        self.is_left = False
        self.error: BaseException | None = None
        self.over = threading.Event()


class Aside:
    """Does tasks in a thread of its own, each with a deadline. A task that exceeds it is left behind with the thread,
    which ends when the task comes back; another thread does the rest."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._left = 0
        self._wake = threading.Condition(self._lock)
        self._next: _Batch | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def left_behind(self) -> int:
        """Threads that hang now."""
        return self._left

    def run(self, tasks: Sequence[Task], deadline_s: float) -> tuple[int, ...]:
        """Numbers of the tasks that were not done. Blocks for at most `deadline_s` a task. Not for several callers at
        the same time. An error of a task is raised here."""
        undone: list[int] = []
        first = 0
        while first < len(tasks):
            if self._left >= LEFT_BEHIND:
                return (*undone, *range(first, len(tasks)))
            batch = _Batch(tasks, first)
            self._give(batch)
            stuck = self._await(batch, deadline_s)
            if batch.error is not None:
                raise batch.error
            if stuck is None:
                break
            undone.append(stuck)
            first = stuck + 1
        return tuple(undone)

    def close(self) -> None:
        """The thread ends; one that hangs is a daemon and does not keep the process."""
        with self._lock:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(1.0)

    def _give(self, batch: _Batch) -> None:
        with self._lock:
            self._next = batch
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def _await(self, batch: _Batch, deadline_s: float) -> int | None:
        """None when all was done; else the task at which it is stuck."""
        wait = deadline_s
        while not batch.over.wait(wait):
            with self._lock:
                wait = batch.began + deadline_s - time.monotonic()
                if batch.over.is_set() or wait > 0:
                    continue
                batch.is_left = True
                self._left += 1
                self._thread = None
                return batch.at
        return None

    def _work(self) -> None:
        mine = threading.current_thread()
        while True:
            with self._lock:
                while self._next is None and not self._closed:
                    self._wake.wait()
                batch, self._next = self._next, None
                if batch is None:
                    return
            self._do(batch)
            with self._lock:
                if batch.is_left:
                    self._left -= 1
                if self._thread is not mine:
                    return

    def _do(self, batch: _Batch) -> None:
        try:
            while True:
                with self._lock:
                    batch.began = time.monotonic()
                    if batch.is_left or batch.at >= len(batch.tasks):
                        return
                    task = batch.tasks[batch.at]
                task()
                with self._lock:
                    if batch.is_left:
                        return
                    batch.at += 1
        except BaseException as error:  # noqa: BLE001 - raised where it was asked for
            batch.error = error
        finally:
            batch.over.set()

"""Each move of a worker as an event: `worker.READY`, `worker.ENDING`, ..., with its cause and the time before it."""

from __future__ import annotations

from steadycast.lifecycle import WorkerState
from steadycast.lobbies.events import EventLog
from steadycast.workers.surroundings import OnState
from steadycast.workers.worker import Worker


def telling(events: EventLog) -> OnState:
    """What a supervisor calls on each move. `took_s` of the event was spent in the state before."""

    def moved(worker: Worker, state: WorkerState, cause: str | None, seconds: float) -> None:
        data = {"worker": worker.id, "kind": worker.kind.value, "pid": worker.pid, "took_s": round(seconds, 3)}
        events.publish("worker", f"worker.{state.value}", lobby=worker.lobby, why=cause, data=data)

    return moved

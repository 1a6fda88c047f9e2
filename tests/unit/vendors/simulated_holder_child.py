"""A process that holds sessions of the simulated driver: a command a line, an answer a line."""

from __future__ import annotations

import sys
from pathlib import Path

from steadycast.vendors.simulated.driver import (
    SimulatedDriver,
    SimulatedFailure,
    SimulatedRefusal,
    SimulatedSession,
)


def main() -> None:
    driver = SimulatedDriver(Path(sys.argv[1]))
    held: list[SimulatedSession] = []
    for line in sys.stdin:
        command = line.split()
        answer = "done"
        try:
            if command[0] == "open":
                held.append(driver.open_session(int(command[1]), "h264", 1280, 720))
            elif command[0] == "close":
                held.pop(0).close()
            elif command[0] == "frames":
                for _ in range(int(command[1])):
                    held[0].frame()
            elif command[0] == "churn":
                answer = str(churn(driver, int(command[1])))
        except SimulatedRefusal as refusal:
            answer = f"refused {refusal.code}"
        except SimulatedFailure as failure:
            answer = f"failed {failure.code}"
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def churn(driver: SimulatedDriver, rounds: int) -> int:
    """Open and close; the number of times it was given one, and each time no more than the cap were open."""
    given = 0
    for _ in range(rounds):
        try:
            session = driver.open_session(0, "h264", 640, 480)
        except SimulatedRefusal:
            continue
        given += 1
        open_now = len(driver.sessions())
        session.close()
        assert 1 <= open_now <= driver.facts().sessions, open_now
    return given


if __name__ == "__main__":
    main()

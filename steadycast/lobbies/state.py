"""The moves a lobby may make, as a table. Pure."""

from __future__ import annotations

from steadycast.model import LobbyState as S

# A lobby that lost its source or worker stays DEGRADED, with a reason, until it streams again: no STARTING in between,
# so that a camera that is away for a week makes two events and not two a retry.
MOVES: dict[S, frozenset[S]] = {
    S.CREATED: frozenset({S.STARTING, S.DRAINING}),
    S.STARTING: frozenset({S.STREAMING, S.DEGRADED, S.DRAINING}),
    S.STREAMING: frozenset({S.DEGRADED, S.DRAINING}),
    S.DEGRADED: frozenset({S.STREAMING, S.DRAINING}),
    S.DRAINING: frozenset({S.ENDING}),
    S.ENDING: frozenset({S.DESTROYED, S.CLEANUP_INCOMPLETE}),
    S.DESTROYED: frozenset(),
    S.CLEANUP_INCOMPLETE: frozenset(),
}

# States in which a lobby takes no new viewers and does not come back.
LEAVING = frozenset({S.DRAINING, S.ENDING, S.DESTROYED, S.CLEANUP_INCOMPLETE})


def check_move(old: S, new: S) -> None:
    """Raise AssertionError where a lobby cannot go from `old` to `new`: a fault of the program."""
    if new not in MOVES[old]:
        raise AssertionError(f"a lobby cannot go from {old} to {new}")

"""What is shown of a config that is read again: its plan and what became of it. Credentials are masked before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from steadycast.config.effects import When


class Step(StrEnum):
    """What happens to a lobby, the most far-reaching first."""

    ADDED = "added"
    REMOVED = "removed"
    SOURCE = "source"  # its worker is replaced
    RENDITIONS = "renditions"
    ENCODERS = "encoders"
    RENAMED = "renamed"
    UNTOUCHED = "untouched"


class Outcome(StrEnum):
    """What became of it."""

    PLANNED = "planned"  # a dry run: nothing was done
    UNCHANGED = "unchanged"  # there is nothing to do now
    APPLIED = "applied"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"  # what was read is no good: nothing was done


@dataclass(frozen=True, slots=True)
class LobbyStep:
    """What happens to one lobby: the farthest of `steps`, and all of them. `id` is None before it is made."""

    step: Step
    id: str | None
    key: str | None
    name: str
    line: str  # for a person
    steps: tuple[Step, ...]
    renditions: tuple[str, ...] = ()  # those that change, are new or go
    display: bool = False  # a display is replaced, begun or ended, and the program on it
    note: str | None = None  # what else a person should know


@dataclass(frozen=True, slots=True)
class SettingStep:
    """One setting that differs. `old` and `new` as texts; None: it is not there."""

    key: str
    old: str | None
    new: str | None
    when: When
    line: str


@dataclass(frozen=True, slots=True)
class PlanView:
    """Every lobby, also those that are not touched, and every setting that differs."""

    lobbies: tuple[LobbyStep, ...]
    settings: tuple[SettingStep, ...]

    def lines(self) -> tuple[str, ...]:
        """What changes, a line each."""
        lobbies = [
            f"lobby {one.key or one.id or one.name}: {one.line}"
            for one in self.lobbies
            if one.step is not Step.UNTOUCHED
        ]
        return (*(one.line for one in self.settings), *lobbies)

    def counts(self) -> dict[str, int]:
        """Lobbies by step, and settings by when they take effect; only what there is."""
        found: dict[str, int] = {}
        for name in (*(one.step.value for one in self.lobbies), *(f"settings_{one.when}" for one in self.settings)):
            found[name] = found.get(name, 0) + 1
        return found


@dataclass(frozen=True, slots=True)
class ReloadView:
    """A config read again: what was planned, and what became of it. `why` says why it was not done or did not stay."""

    outcome: Outcome
    file: str
    plan: PlanView
    took_s: float
    why: str | None = None
    notes: tuple[str, ...] = ()  # what did not go as planned though the rest stays

"""The policy of one guarded server: one class a table of the TOML file. Times are in seconds, sizes in bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from steadycast.config.tables import Seconds, Table
from steadycast.watching.guard.policy_probes import CountProbe, HealthProbe, check_pattern, check_signal
from steadycast.watching.guard.policy_words import Command, Name, Word

Act = Literal["restart", "quiet", "tell"]
DAY_S = 86_400.0
Long = Annotated[float, Field(gt=0, le=366 * DAY_S)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class TargetPolicy(Table):
    """What is guarded: a command that guard starts, a systemd unit, or a process that a pid file or a command names."""

    command: Command | None = None
    unit: Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.\\@-]{1,240}$")] | None = None
    user: bool = False  # the unit is the user manager's
    pid_file: Path | None = None
    pid_command: Command | None = None
    program: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^/]+$")] | None = None
    start: Command | None = None  # what starts a server that guard is not the parent of
    folder: Path | None = None
    environment: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Word] = Field({}, max_length=256)
    background: Literal["refuse", "follow"] = "refuse"
    on_end: Literal["stop", "leave"] | None = None

    @property
    def is_command(self) -> bool:
        return self.command is not None

    @property
    def is_unit(self) -> bool:
        return self.unit is not None

    @property
    def stops_with_guard(self) -> bool:
        """Whether the server ends when guard is told to end: by default only one that guard started."""
        return self.on_end == "stop" if self.on_end else self.is_command

    @model_validator(mode="after")
    def _fits(self) -> Self:
        kinds = [name for name in ("command", "unit") if getattr(self, name) is not None]
        named = self.pid_file is not None or self.pid_command is not None
        if self.pid_file is not None and self.pid_command is not None:
            raise ValueError("pid_file and pid_command are both set; allowed is one of them")
        if named and not (kinds == ["command"] and self.background == "follow"):
            kinds.append("pid_file" if self.pid_file is not None else "pid_command")
        if len(kinds) != 1:
            allowed = "exactly one of command, unit, pid_file, pid_command"
            more = " (a command may have pid_file with background = 'follow')" if "command" in kinds and named else ""
            found = f"{' and '.join(kinds)} are both set" if kinds else "nothing says what to guard"
            raise ValueError(f"{found}; allowed is {allowed}{more}")
        self._fits_kind(kinds[0], named)
        return self

    def _fits_kind(self, kind: str, named: bool) -> None:
        if named and self.program is None:
            raise ValueError("program is missing: the name of the program, so that no other process is taken for it")
        if named and kind != "command" and self.start is None:
            raise ValueError("start is missing: the command that starts the server again")
        if self.start is not None and kind in ("command", "unit"):
            raise ValueError(f"start and {kind} are both set; start is for a server that a pid file or command names")
        if self.background == "follow" and kind != "command":
            raise ValueError("background is for a command that guard starts")
        if self.user and kind != "unit":
            raise ValueError("user is for a unit")
        if kind == "unit" and (self.environment or self.folder):
            raise ValueError("environment and folder of a unit are systemd's: set them in the unit")


class StartPolicy(Table):
    """How a start is judged. `after_exit` says which ends are followed by a start."""

    ready_s: Seconds = 60.0
    after_exit: Literal["always", "failure", "never"] = "always"


class StopPolicy(Table):
    """The ladder: `command` or `signal`, then SIGTERM, then SIGKILL, each with its deadline."""

    command: Command | None = None
    command_s: Seconds = 20.0
    signal: Annotated[str, Field(max_length=12)] = "SIGTERM"
    graceful_s: Seconds = 20.0
    kill_s: Seconds = 5.0

    _signal = field_validator("signal")(check_signal)


class BudgetPolicy(Table):
    """At most `restarts` within `window_s`, and as many in a row; then latched.

    The waits between double from the first to the longest of `backoff_s`, and begin anew once it was well for
    `settled_s`.
    """

    restarts: Annotated[int, Field(ge=1, le=100)] = 5
    window_s: Annotated[float, Field(ge=1, le=7 * DAY_S)] = 3600.0
    backoff_s: tuple[Seconds, Seconds] = (1.0, 60.0)
    settled_s: Seconds = 120.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.backoff_s[0] > self.backoff_s[1]:
            raise ValueError("backoff_s: the first wait is longer than the longest")
        return self


class SignaturePolicy(Table):
    """A pattern in the server's log: `times` lines within `within_s` make it act."""

    name: Name
    pattern: Annotated[str, Field(min_length=1, max_length=1000)]
    times: Annotated[int, Field(ge=1, le=1000)] = 1
    within_s: Seconds = 60.0
    act: Act = "restart"

    _pattern = field_validator("pattern")(check_pattern)


class KnownPolicy(Table):
    """What the shipped table of log signatures sets off, by what each asks for; `ignore` names those to leave out."""

    recycle: Act = "restart"
    deny: Act = "tell"
    gpu: Act = "tell"
    limit: Act = "tell"
    at_least: Annotated[float, Field(ge=0, le=1)] = 0.7  # how sure a diagnosis must be to act on
    ignore: tuple[Name, ...] = Field((), max_length=200)


class FindingsPolicy(Table):
    """Confirmed findings of leak detection. A life runs `rest_s` first; `margin_s` before a limit is met, or where
    `full` (0 to 1) of the server's limit of open descriptors is used, neither that nor the quiet is waited for."""

    act: Act = "tell"
    exhaustion: Act = "restart"
    rest_s: Annotated[float, Field(ge=0, le=366 * DAY_S)] = 21_600.0
    margin_s: Long = 1800.0
    full: Annotated[float, Field(ge=0.5, le=1)] = 0.95
    every_s: Annotated[float, Field(ge=0.1, le=3600)] = 5.0
    resources: tuple[Name, ...] = Field((), max_length=64)  # empty: all of them


class AgePolicy(Table):
    """A restart at an age, `jitter` (0 to 1) of it earlier or later so that many servers do not restart together."""

    max_s: Long
    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    act: Literal["restart", "quiet"] = "quiet"


class QuietPolicy(Table):
    """When a restart meets nobody: a window of each day in local time, a probe that counts who watches, or both."""

    begin: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    end: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    days: tuple[Day, ...] = DAYS
    watching: CountProbe | None = None
    for_s: Annotated[float, Field(ge=0, le=DAY_S)] = 0.0  # so long nobody must have watched

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.begin is None) != (self.end is None):
            raise ValueError("only one of begin and end is set")
        if self.begin is not None and self.begin == self.end:
            raise ValueError("begin and end are the same minute; leave both out for the whole day")
        if self.begin is None and self.watching is None:
            raise ValueError("neither a window (begin, end) nor watching is set")
        if not self.days:
            raise ValueError("days is empty")
        return self


class LogPolicy(Table):
    """Where the server's log is read: its output (of a command) or journal (of a unit) unless this says otherwise."""

    file: Path | None = None
    command: Command | None = None
    keep_bytes: Annotated[int, Field(ge=65_536, le=1_073_741_824)] = 16_777_216  # of a command's output, twice

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.file is not None and self.command is not None:
            raise ValueError("file and command are both set; allowed is one of them")
        return self


class EvidencePolicy(Table):
    """What is kept of each restart: `cases` files of `case_bytes` at most. `command` runs before (a debugger, say)."""

    cases: Annotated[int, Field(ge=1, le=1000)] = 20
    case_bytes: Annotated[int, Field(ge=16_384, le=16_777_216)] = 262_144
    lines: Annotated[int, Field(ge=0, le=5000)] = 300
    command: Command | None = None
    command_s: Seconds = 10.0


class GatePolicy(Table):
    """Limits that `steadycast guard gate` holds before a session starts. `unknown`: what a limit that cannot be told
    means."""

    sessions: Annotated[int, Field(ge=0, le=100_000)] | None = None
    count: CountProbe | None = None
    hold_s: Seconds = 30.0  # a session that was let in counts so long until the count shows it
    vram_free: Annotated[int, Field(ge=0)] | None = None
    descriptors_free: Annotated[int, Field(ge=0)] | None = None
    memory_free: Annotated[int, Field(ge=0)] | None = None
    unknown: Literal["refuse", "allow"] = "refuse"
    message: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _useful(self) -> Self:
        if all(one is None for one in (self.sessions, self.vram_free, self.descriptors_free, self.memory_free)):
            raise ValueError("no limit is set: sessions, vram_free, descriptors_free or memory_free")
        if self.count is not None and self.sessions is None:
            raise ValueError("count is set but sessions, the limit for it, is not")
        return self


class ApiPolicy(Table):
    """A page of numbers for programs, on loopback only. Off unless there is a port."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    token_hash: Annotated[str, Field(max_length=400)] | None = None

    @model_validator(mode="after")
    def _useful(self) -> Self:
        if self.token_hash is not None and self.port is None:
            raise ValueError("token_hash is set but no port")
        return self


class Policy(Table):
    """One guarded server."""

    name: Name
    target: TargetPolicy
    start: StartPolicy = StartPolicy()
    stop: StopPolicy = StopPolicy()
    budget: BudgetPolicy = BudgetPolicy()
    health: tuple[HealthProbe, ...] = Field((), max_length=16)
    signatures: tuple[SignaturePolicy, ...] = Field((), max_length=100)
    known: KnownPolicy | None = None
    findings: FindingsPolicy | None = None
    age: AgePolicy | None = None
    quiet: QuietPolicy | None = None
    log: LogPolicy = LogPolicy()
    evidence: EvidencePolicy = EvidencePolicy()
    gate: GatePolicy | None = None
    api: ApiPolicy = ApiPolicy()
    state: Path | None = None  # folder of what guard keeps; default: <state folder of the user>/steadycast/guard/<name>
    look_every_s: Annotated[float, Field(ge=0.05, le=60)] = 1.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for what, names in (("health", self.health), ("signatures", self.signatures)):
            seen = [one.name for one in names]
            twice = next((name for name in seen if seen.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{what}: the name {twice!r} is there twice")
        if self.quiet is None and (waiting := self._waits_for_quiet()):
            raise ValueError(f"{waiting} is 'quiet', which needs a table [quiet] that says when it is quiet")
        self._age_fits()
        if self.target.is_unit and self.stop.command is not None:
            raise ValueError("stop.command: a unit is stopped by systemd: set ExecStop in the unit")
        return self

    def _age_fits(self) -> None:
        if self.age is not None and self.age.max_s * (1 - self.age.jitter) <= self.start.ready_s:
            raise ValueError("age.max_s is not longer than start.ready_s: it would restart before it is ready")
        if self.age is not None and self.age.max_s * self.budget.restarts < self.budget.window_s:
            raise ValueError("age.max_s alone would use up the budget (budget.restarts within budget.window_s)")

    def _waits_for_quiet(self) -> str | None:
        if self.age is not None and self.age.act == "quiet":
            return "age.act"
        if self.findings is not None and "quiet" in (self.findings.act, self.findings.exhaustion):
            return "findings.act" if self.findings.act == "quiet" else "findings.exhaustion"
        if self.known is not None:
            for name in ("recycle", "deny", "gpu", "limit"):
                if getattr(self.known, name) == "quiet":
                    return f"known.{name}"
        for number, one in enumerate(self.signatures):
            if one.act == "quiet":
                return f"signatures.{number}.act"
        return None

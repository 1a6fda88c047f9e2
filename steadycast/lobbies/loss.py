"""What workers say about a lost source, as a `Loss` in words for a person. Pure."""

from __future__ import annotations

import signal

from steadycast.errors import CallerError, DeadlineError, SourceError, SteadycastError
from steadycast.lobbies.mask import scrubbed
from steadycast.lobbies.retry import Loss, LossKind
from steadycast.model import EncoderFault, Receipt, RtspSource, Source
from steadycast.workers.channel import STUCK
from steadycast.workers.evidence import Hang
from steadycast.workers.messages import CommandExited, DisplayFailed, SourceFailed
from steadycast.workers.worker import DIED

_LONGEST = 600  # characters of a program's output that are shown
STOPPING = Loss(LossKind.FINAL, "host.stopping", "the host ends")
_SHELL_SAYS = {126: "not executable", 127: "not found"}


def of_source(failed: SourceFailed, source: Source) -> Loss:
    """The worker says that the source does not show."""
    kind = LossKind.FINAL
    if failed.retry:
        kind = LossKind.CAMERA if isinstance(source, RtspSource) else LossKind.SOURCE
    what = scrubbed(failed.what, source) or failed.what
    why, hint = scrubbed(failed.why, source), scrubbed(failed.hint, source)
    return Loss(kind, failed.code, what, why, hint, hung=failed.hung)


def of_silence(source: Source, seconds: float) -> Loss:
    """The source neither shows nor says why."""
    kind = LossKind.CAMERA if isinstance(source, RtspSource) else LossKind.WORKER
    return Loss(
        kind,
        "source.deadline",
        f"the source did not show within {seconds:g} s",
        hint="Where it only needs longer, raise `workers.source_s`.",
        hung=True,
    )


def of_error(error: SteadycastError, source: Source) -> Loss:
    """A worker could not be started, or an order failed. What speaks of what was asked for is final."""
    kind = LossKind.FINAL if isinstance(error, SourceError | CallerError) else LossKind.WORKER
    what = scrubbed(error.what, source) or error.what
    why, hint = scrubbed(error.why, source), scrubbed(error.hint, source)
    return Loss(kind, error.code, what, why, hint, hung=hang_of(error) is not None)


def hang_of(error: SteadycastError) -> Hang | None:
    """Whether an order failed because something in the worker hangs: it did not answer, does not read, or says so."""
    told = error.code in (EncoderFault.HUNG, STUCK)
    return Hang.PART if told or isinstance(error, DeadlineError) else None


def of_order(error: SteadycastError) -> Loss:
    """A worker that shows did not do what it was told, or died of it, and must end."""
    hung = hang_of(error) is not None
    return Loss(LossKind.WORKER, error.code, error.what, error.why, error.hint, hung=hung)


def of_worker_error(error: SteadycastError) -> Loss:
    """A worker that has no source could not be started, or did not take its first order."""
    return Loss(LossKind.WORKER, error.code, error.what, error.why, error.hint)


def of_worker(receipt: Receipt, ran_s: float = 0.0) -> Loss:
    """A worker is gone that should not be."""
    if receipt.signal is not None:
        how = f"was ended by {_signal(receipt.signal)}"
    elif receipt.exit_code is not None:
        how = f"exited with {receipt.exit_code}"
    else:
        how = "is gone"
    return Loss(
        LossKind.WORKER,
        "worker.died",
        f"the {receipt.kind.value} worker {how}",
        None if receipt.cause == DIED else receipt.cause,
        streamed_s=ran_s,
    )


def _signal(number: int) -> str:
    """`SIGSEGV`; real-time signals have no names."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def of_program(exited: CommandExited, ran_s: float) -> Loss:
    """The program of a desktop ended."""
    if exited.signal is not None:
        what = f"the command was ended by {_signal(exited.signal)}"
    else:
        what = f"the command exited with {exited.exit_code}"
        if exited.exit_code in _SHELL_SAYS:
            what += f": {_SHELL_SAYS[exited.exit_code]}"
    hint = None
    if exited.exit_code == 0 and ran_s < 10:
        hint = "If it goes on in the background, start it in the foreground: the lobby lives as long as its command."
    return Loss(LossKind.PROGRAM, "source.command_exited", what, _tail(exited.output), hint, streamed_s=ran_s)


def of_display(failed: DisplayFailed) -> Loss:
    """The X server ended."""
    return Loss(LossKind.WORKER, "display.failed", failed.what, _tail(failed.output))


def _tail(output: str) -> str | None:
    return output.strip()[-_LONGEST:] or None


def fault_of(code: str) -> EncoderFault:
    """By its code; one that is not known is a failure."""
    try:
        return EncoderFault(code)
    except ValueError:
        return EncoderFault.FAILED

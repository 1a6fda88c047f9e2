"""One small family of errors, split by who must act. Each says what, why and what to do, and is caught once at an edge.

The `code` is stable: programs branch on it. `why` and `hint` are for a person. No text may hold a credential.
"""

from __future__ import annotations


class SteadycastError(Exception):
    """What went wrong (`str(error)`), why, and what to do about it.

    `code` is a stable machine name such as `lobby.unknown`; `retry_after` is in seconds, None where waiting is no help.
    """

    status = 500

    def __init__(
        self, code: str, what: str, *, why: str | None = None, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.why = why
        self.hint = hint
        self.retry_after = retry_after


class CallerError(SteadycastError):
    """The caller sent something that can never work: the caller must change the request (HTTP 400, or `status`)."""

    status = 400

    def __init__(
        self, code: str, what: str, *, why: str | None = None, hint: str | None = None, status: int = 400
    ) -> None:
        super().__init__(code, what, why=why, hint=hint)
        self.status = status


class NotFoundError(SteadycastError):
    """No such lobby, viewer or track (HTTP 404)."""

    status = 404


class ConflictError(SteadycastError):
    """The request does not fit the state things are in (HTTP 409)."""

    status = 409


class RefusedError(SteadycastError):
    """A limit is reached or something is not ready: the same request may work later (HTTP 503, `retry_after`)."""

    status = 503


class TooManyError(RefusedError):
    """The caller asks too often: the same request works after `retry_after` (HTTP 429)."""

    status = 429


class SourceError(SteadycastError):
    """What a lobby shows cannot be had, in the words of the source: the camera, the command, the file (HTTP 502)."""

    status = 502


class WorkerError(SteadycastError):
    """A child process broke its word: died, hung or answered nonsense (HTTP 503: it is started again)."""

    status = 503


class EncoderError(WorkerError):
    """An encoder was refused by its driver, or failed; `code` is a value of `model.EncoderFault` (HTTP 503)."""


class DeadlineError(WorkerError):
    """A named deadline passed (HTTP 504)."""

    status = 504


class ConfigError(SteadycastError):
    """The operator must change the configuration. One clear line, exit code 2."""

    status = 500

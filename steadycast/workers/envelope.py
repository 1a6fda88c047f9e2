"""The bytes of a message: JSON `{"type", "seq", "body"}`, checked when packed and when unpacked. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from steadycast import errors
from steadycast.errors import CallerError, SteadycastError
from steadycast.workers.codec import CodecError, from_plain, to_plain
from steadycast.workers.messages import MESSAGES, Failed

# The largest datagram: a Unix socket's send buffer is 2 * 212,992 bytes without privileges (net.core.wmem_max). An SDP
# of 64 KiB fits even where JSON writes each of its characters as six.
MAX_BYTES = 400_000


class EnvelopeError(ValueError):
    """These bytes are no message, or this message cannot become bytes."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message and the number of its request; `seq` is None where no answer is wanted."""

    message: Any
    seq: int | None


def pack(message: Any, seq: int | None) -> bytes:
    """Bytes of a message; raises EnvelopeError where it is none, is too large or holds what JSON cannot."""
    name = type(message).__name__
    if MESSAGES.get(name) is not type(message):
        raise EnvelopeError(f"{name} is no message")
    try:
        text = json.dumps(
            {"type": name, "seq": seq, "body": to_plain(message)}, ensure_ascii=False, separators=(",", ":")
        )
        data = text.encode()
    except (TypeError, ValueError) as error:  # UnicodeEncodeError (lone surrogates) is a ValueError
        raise EnvelopeError(f"{name}: {error}") from None
    if len(data) > MAX_BYTES:
        raise EnvelopeError(f"{name} has {len(data)} bytes, the most is {MAX_BYTES}")
    return data


def unpack(data: bytes) -> Envelope:
    """The message in these bytes; raises EnvelopeError with what is wrong with them."""
    if len(data) > MAX_BYTES:
        raise EnvelopeError(f"{len(data)} bytes, the most is {MAX_BYTES}")
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EnvelopeError(f"no JSON: {type(error).__name__}") from None
    if not isinstance(plain, dict) or set(plain) != {"type", "seq", "body"}:
        raise EnvelopeError("not an object of type, seq and body")
    name, seq = plain["type"], plain["seq"]
    if not isinstance(name, str) or name not in MESSAGES:
        raise EnvelopeError(f"unknown type {str(name)[:80]!r}")
    if seq is not None and (not isinstance(seq, int) or isinstance(seq, bool)):
        raise EnvelopeError("seq is no whole number")
    try:
        return Envelope(from_plain(MESSAGES[name], plain["body"]), seq)
    except (CodecError, RecursionError) as error:
        raise EnvelopeError(str(error)[:300]) from None


def failed_from(error: SteadycastError) -> Failed:
    """The message that tells a peer of an error."""
    status = error.status if isinstance(error, CallerError) else None
    return Failed(type(error).__name__, error.code, error.what, error.why, error.hint, error.retry_after, status)


def raise_failed(failed: Failed) -> NoReturn:
    """Raise the error that a peer told of; a class that is not known here becomes WorkerError."""
    found = getattr(errors, failed.error, None)
    cls = found if isinstance(found, type) and issubclass(found, SteadycastError) else errors.WorkerError
    if issubclass(cls, CallerError):
        raise cls(failed.code, failed.what, why=failed.why, hint=failed.hint, status=failed.status or cls.status)
    raise cls(failed.code, failed.what, why=failed.why, hint=failed.hint, retry_after=failed.retry_after)

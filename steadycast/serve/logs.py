"""Logs of the control plane: structlog and the standard library's loggers as one stream of text or JSON lines."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from steadycast.config.settings import Settings


def set_up_logs(settings: Settings) -> None:
    """Write to standard error from now on."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.UnicodeDecoder(),
    ]
    as_json = settings.log_format == "json"  # whose texts are escaped anyway
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        last += [structlog.processors.ExceptionRenderer(_frames()), structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        last += [_escape, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(settings.log_level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # they have handlers of their own
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    # A reader of the log that went away, or a full disk, is no reason to fail.
    logging.raiseExceptions = False


def _frames() -> ExceptionDictTransformer:
    """Where it happened, without the values of variables: those may be addresses of cameras, and tokens."""
    return ExceptionDictTransformer(show_locals=False)


def set_level(level: str) -> None:
    """Write what is at least this important from now on."""
    logging.getLogger().setLevel(level.upper())


def _escape(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Texts of strangers (paths, answers of cameras) cannot steer the terminal of whoever reads the log."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable() and key != "exception":
            event[key] = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return event

"""`/api/v1/history`: what was measured, for pictures and for other programs."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from steadycast.api.params import After, Limit
from steadycast.errors import CallerError, RefusedError
from steadycast.lobbies.views import Page
from steadycast.model import Resource, Unit, unit_of
from steadycast.tracking.history.archive import Known
from steadycast.tracking.history.export import rows, write_csv, write_parquet
from steadycast.tracking.history.history import History
from steadycast.tracking.history.pictures import MOST_POINTS, picture

T = TypeVar("T")

DAY_S = 86_400.0
FAR_S = 1e11  # the year 5138
EXPORTED = 1_000  # series in one file
IN_MEMORY = 4 << 20  # bytes of a file for export; more of it lies on disk
PIECE = 1 << 16
MOST_BUCKETS = 300_000  # in one answer

RoleQuery = Annotated[str | None, Query(min_length=1, max_length=200, description="Only of this owner, by its role.")]
ResourceQuery = Annotated[Resource | None, Query(description="Only of this resource.")]
DetailQuery = Annotated[str | None, Query(max_length=200, description="Only of this kind or name of it.")]
SinceQuery = Annotated[float | None, Query(description="Unix seconds; a day before `until` if left out.")]
UntilQuery = Annotated[float | None, Query(description="Unix seconds; now if left out.")]
PointsQuery = Annotated[int, Query(ge=0, le=MOST_POINTS, description="Most points of a series; 0: only its name.")]


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One series. Times are Unix seconds, `last` up to a minute behind.

    `points` are `[time, low, median, high, count]`, a bucket of `width` seconds each, without those that hold nothing.
    `epochs` are the moments at which another process took the role, the first one included.
    """

    id: int
    role: str
    resource: Resource
    detail: str
    unit: Unit
    first: float
    last: float
    width: float | None
    points: tuple[tuple[float, float, float, float, int], ...]
    epochs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which series, and what time of them."""

    role: RoleQuery = None
    resource: ResourceQuery = None
    detail: DetailQuery = None
    since: SinceQuery = None
    until: UntilQuery = None

    def span(self) -> tuple[float, float]:
        """Unix seconds. Raises CallerError."""
        end = time.time() if self.until is None else self.until
        start = end - DAY_S if self.since is None else self.since
        if not (-FAR_S < start < end < FAR_S):
            raise CallerError("history.span", "No such time.", why="`since` must be before `until`, in Unix seconds.")
        return start, end

    def of(self, history: History) -> list[Known]:
        """In the order of role and resource."""
        return [
            known
            for known in history.series()
            if self.role in (None, known.role)
            and self.resource in (None, known.measured.resource)
            and self.detail in (None, known.measured.detail)
        ]


def router(history: History) -> APIRouter:
    """What was measured of processes and devices."""
    api = APIRouter(prefix="/api/v1/history", tags=["history"])

    @api.get("")
    async def list_(
        wanted: Annotated[Wanted, Depends()],
        points: PointsQuery = 0,
        limit: Limit = 50,
        after: After = None,
    ) -> Page[SeriesView]:
        """Series by role and resource, with so many points as fit a picture. Extremes are never lost: each point has
        the lowest and the highest value of its time."""
        start, end = wanted.span()
        found = wanted.of(history)
        begin = 0 if after is None else next((n + 1 for n, known in enumerate(found) if str(known.id) == after), None)
        if begin is None:
            raise CallerError("page.unknown", "No such page.", why="`after` is the `next` of the answer before.")
        shown = found[begin : begin + limit]
        if points * len(shown) > MOST_BUCKETS:
            why = f"{len(shown)} series of {points} points are more than {MOST_BUCKETS}."
            raise CallerError("history.points", "That is too much for one answer.", why=why, hint="Lower `limit`.")
        views = await _reading(lambda: tuple(_view(history, known, start, end, points) for known in shown))
        more = begin + limit < len(found)
        return Page(views, str(shown[-1].id) if shown and more else None)

    _add_export(api, history)
    return api


def _add_export(api: APIRouter, history: History) -> None:
    @api.get("/export", response_class=StreamingResponse)
    async def export(
        wanted: Annotated[Wanted, Depends()],
        step: Annotated[Literal["seconds", "minutes", "hours"], Query()] = "minutes",
        format: Annotated[Literal["csv", "parquet"], Query()] = "csv",
    ) -> StreamingResponse:
        """A table: one row a bucket. Parquet where the host has `pyarrow`."""
        span, found = wanted.span(), wanted.of(history)
        if len(found) > EXPORTED:
            why = f"{len(found)} series are more than {EXPORTED}."
            raise CallerError("history.series", "That is too much for one file.", why=why, hint="Name a role.")
        file = await _reading(lambda: _table(history, found, span, step, format))
        kind = "text/csv; charset=utf-8" if format == "csv" else "application/vnd.apache.parquet"
        name = {"Content-Disposition": f'attachment; filename="history.{format}"'}
        return StreamingResponse(_pieces(file), media_type=kind, headers=name)


def _view(history: History, known: Known, since: float, until: float, points: int) -> SeriesView:
    measured = known.measured
    told = (
        known.id,
        known.role,
        measured.resource,
        measured.detail,
        unit_of(measured.resource),
        known.first,
        known.last,
    )
    if points == 0:
        return SeriesView(*told, None, (), ())
    seen = picture(history, known, since, until, points)
    shown = tuple((one.at, one.low, one.median, one.high, one.count) for one in seen.buckets)
    return SeriesView(*told, seen.width, shown, seen.epochs)


async def _reading(read: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(read)
    except sqlite3.Error as error:
        raise RefusedError("history.file", "What was measured cannot be read.", why=str(error)) from error


def _table(history: History, wanted: list[Known], span: tuple[float, float], step: str, format: str) -> IO[bytes]:
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed when it was sent
    table = rows(history, wanted, *span, step)
    if format == "parquet":
        write_parquet(table, file)
    else:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        write_csv(table, text)
        text.detach()
    file.seek(0)
    return file


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece

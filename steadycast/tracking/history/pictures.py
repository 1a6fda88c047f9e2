"""A series for a picture: as fine as the time asked for allows, with no more points than can be drawn."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.model import Unit, unit_of
from steadycast.tracking.history.archive import Known
from steadycast.tracking.history.buckets import HOUR, MINUTE, SECOND, Bucket, coarser
from steadycast.tracking.history.history import History

MOST_POINTS = 100_000
FINE_S = 2 * HOUR  # of single values, at most: more of them are slow to read and gone anyway
WIDTHS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 86_400, 604_800)  # seconds that people read well


@dataclass(frozen=True, slots=True)
class Picture:
    """`width` seconds a bucket; `epochs` are the moments (Unix seconds) at which another life of the role began."""

    known: Known
    unit: Unit
    width: float
    buckets: tuple[Bucket, ...]
    epochs: tuple[float, ...]


def picture(history: History, known: Known, since: float, until: float, points: int) -> Picture:
    """At most `points` buckets (1 to MOST_POINTS) of [since, until]. Extremes of each second are in them.

    Where minutes are not kept any more, hours stand for them. Raises sqlite3.Error.
    """
    width = _width(until - since, min(max(points, 1), MOST_POINTS))
    buckets = coarser(_finest(history, known.id, since, until, width), width)
    while len(buckets) > points:
        width *= 2
        buckets = coarser(buckets, width)
    epochs = tuple(at for at, _ in history.epochs(known.role) if since <= at <= until)
    return Picture(known, unit_of(known.measured.resource), width, tuple(buckets), epochs)


def _width(span: float, points: int) -> float:
    return next((float(width) for width in WIDTHS if span / width <= points), span / points)


def _finest(history: History, series: int, since: float, until: float, width: float) -> list[Bucket]:
    if width < MINUTE:
        fine = history.seconds(series, max(since, until - FINE_S), until)
        begin = fine[0].at // MINUTE * MINUTE if fine else until + SECOND
        older = history.minutes(series, since, begin - MINUTE) if begin > since else []
        return [*older, *(bucket for bucket in fine if not older or bucket.at >= begin)]
    if width < HOUR:
        minutes = history.minutes(series, since, until)
        begin = minutes[0].at // HOUR * HOUR if minutes else until + SECOND
        return [*history.hours(series, since, begin - HOUR), *minutes]
    return history.hours(series, since, until)

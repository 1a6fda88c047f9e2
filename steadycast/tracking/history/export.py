"""A history as a table for other programs: CSV, or Parquet where `pyarrow` is installed."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, Any

from steadycast.errors import ConfigError
from steadycast.model import unit_of
from steadycast.tracking.history.archive import Known
from steadycast.tracking.history.buckets import Bucket
from steadycast.tracking.history.history import History

COLUMNS = ("time", "role", "resource", "detail", "unit", "width_s", "count", "low", "median", "high")
ROWS = 50_000  # of one group in a Parquet file

Row = tuple[datetime, str, str, str, str, float, int, float, float, float]


def rows(history: History, known: Iterable[Known], since: float, until: float, step: str) -> Iterator[Row]:
    """One row a bucket, series after series. `step` is `seconds`, `minutes` or `hours`. Raises sqlite3.Error."""
    for one in known:
        read = {"seconds": history.seconds, "minutes": history.minutes, "hours": history.hours}[step]
        for bucket in read(one.id, since, until):
            yield _row(one, bucket)


def write_csv(table: Iterable[Row], file: IO[str]) -> int:
    """Times as RFC 3339 in UTC. Answers with the number of rows."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for count, row in enumerate(table, 1):  # noqa: B007
        writer.writerow((row[0].isoformat(), *row[1:]))
    return count


def write_parquet(table: Iterable[Row], file: IO[bytes]) -> int:
    """Compressed with zstd. Answers with the number of rows; raises ConfigError where pyarrow is not installed."""
    arrow, parquet = _arrow()
    schema = arrow.schema(
        [("time", arrow.timestamp("ms", tz="UTC"))]
        + [(name, arrow.dictionary(arrow.int32(), arrow.string())) for name in COLUMNS[1:5]]
        + [("width_s", arrow.float64()), ("count", arrow.int64())]
        + [(name, arrow.float64()) for name in COLUMNS[7:]]
    )
    count = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(table):
            count += len(group)
            writer.write_table(arrow.table([list(column) for column in zip(*group, strict=True)], schema=schema))
    return count


def _row(known: Known, bucket: Bucket) -> Row:
    measured = known.measured
    when = datetime.fromtimestamp(bucket.at, UTC)
    names = (known.role, str(measured.resource), measured.detail, str(unit_of(measured.resource)))
    return (when, *names, bucket.width, bucket.count, bucket.low, bucket.median, bucket.high)


def _groups(table: Iterable[Row]) -> Iterator[Sequence[Row]]:
    group: list[Row] = []
    for row in table:
        group.append(row)
        if len(group) == ROWS:
            yield group
            group = []
    if group:
        yield group


def _arrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigError(
            "history.parquet", "Parquet needs the Python package pyarrow.", hint="Install it, or export CSV."
        ) from error

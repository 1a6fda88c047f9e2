"""`python -m benchmarks.leaks [--quick] [--jobs N] [--traces FOLDER]`: false alarms, detection and delay of ours and of
what others do, on the same seeded series (one row a minute, 96 hours, leaks from the start or after a day or two)."""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.leaks.protocol import SETS, Told, jobs, judge_all
from benchmarks.leaks.table import ALONE, WITH_LOAD, by_family, by_kind, delays, false_alarms
from benchmarks.leaks.traces import by_minute, traces

TITLES = {
    "tuned": "Families that thresholds were tuned on",
    "practice": "Programs in general, of any size and length; searched for better thresholds; none were taken",
    "mixtures": "Mixed at random from parts of any length and size; thresholds were tuned on them too",
    "held": "Families that nothing was tuned on",
    "strangers": "Families written after a first freeze; one gate was added after looking at them, no threshold tuned",
    "later": "Families written after that; nothing was tuned on them",
}


def run(harmless: int, leaks: int, processes: int) -> list[Told]:
    todo = jobs(harmless, leaks)
    if processes == 1:
        return [judge_all(job) for job in todo]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(judge_all, todo, chunksize=4))


def show(told: list[Told]) -> None:
    for group, title in TITLES.items():
        of = [t for t in told if t.job.families == group]
        print(f"\n{title} ({group}: {', '.join(family.__name__ for family in SETS[group])})\n")
        print("\n".join(false_alarms(of, ALONE)), "\n")
        print("\n".join(delays(of, ALONE)), "\n")
        print("\n".join(by_family(of, ("HAC slope 24 h", "gated valleys", "Steadycast"))), "\n")
        print("\n".join(by_kind(of)))
        busy = [t for t in of if "Steadycast, load known" in t.at]
        print(f"\n  those of them with a load ({len(busy)} series)\n")
        print("\n".join(false_alarms(busy, WITH_LOAD)), "\n")
        print("\n".join(delays(busy, WITH_LOAD)))


def show_traces(folder: Path | None) -> None:
    if folder is None or not folder.is_dir():
        print("\nNo recorded series: none were given with --traces or STEADYCAST_LEAK_TRACES, so none are judged.")
        return
    from benchmarks.leaks.rivals import RIVALS
    from steadycast.tracking.leaks.series import judge

    rivals = ("line through 10 samples", "HAC slope 24 h", "gated valleys")
    print(f"\nRecorded series\n\n{'':52}{'hours':>8}" + "".join(f"{name:>26}" for name in (*rivals, "Steadycast")))
    for trace in traces(folder):
        name, times, values = trace
        made = by_minute(trace)
        cells = ["-" if (at := RIVALS[rival](made, False)) is None else f"{at / 60:.1f} h" for rival in rivals]
        found = judge(times.tolist(), values.tolist())
        cells.append(" ".join(f"{(s.raised - times[0]) / 3600:.1f} h" for s in found[:3]) or "-")
        print(f"{name[:51]:52}{(times[-1] - times[0]) / 3600:>8.1f}" + "".join(f"{c:>26}" for c in cells))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few series of each family: two minutes on one core")
    parser.add_argument("--harmless", type=int, default=40, help="harmless series of each family")
    parser.add_argument("--leaks", type=int, default=12, help="leaking series of each family and rate")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--traces", type=Path, help="a folder of recorded series (CSV with a time and a value)")
    given = parser.parse_args()
    began = time.monotonic()
    harmless, leaks = (2, 1) if given.quick else (given.harmless, given.leaks)
    show(run(harmless, leaks, given.jobs))
    where = os.environ.get("STEADYCAST_LEAK_TRACES")
    show_traces(given.traces or (Path(where) if where else None))
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

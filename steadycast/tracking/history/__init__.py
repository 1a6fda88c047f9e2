"""Keeps what was measured: fine for the young, coarse for the old, bounded in memory and on disk. It never judges, and
never loses more than the last seconds when the process is killed."""

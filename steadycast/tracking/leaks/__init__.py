"""Judges series: what is lost a cycle, what grows with time, what is only kept, when a limit is met. Pure: looks in,
findings out, time is an argument. It never reads a process, a clock or a file."""

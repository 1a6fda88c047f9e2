"""Looks at processes and files from outside, judges what stayed of what ended, and writes receipts. It asks drivers and
/proc; of what is open in a worker it knows only what it is told."""

"""What surviving costs, and what viewers see of it: `python -m benchmarks.survival`. One file a part, run by hand."""

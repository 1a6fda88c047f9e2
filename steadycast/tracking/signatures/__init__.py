"""Knows what log lines and error codes of media servers really mean. Pure but for its table: lines and facts in,
diagnoses out. It never opens a log and never acts."""

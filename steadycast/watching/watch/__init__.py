"""Watches any process for leaks: live, or what was recorded before, or tables of other tools. It ends nothing but the
command that it started itself, and never needs more rights than to read."""

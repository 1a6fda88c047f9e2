"""Packets in, packets for each viewer out: sans-IO, with the time as an argument. It never opens a socket."""

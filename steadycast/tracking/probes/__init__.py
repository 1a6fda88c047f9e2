"""Reads what processes, cgroups and devices hold, of whatever system this is, within a known cost and a deadline. It
answers None and why where it cannot tell, and judges nothing."""

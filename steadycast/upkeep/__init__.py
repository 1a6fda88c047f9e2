"""Watches this host's own processes and devices: what they hold is kept, judged, and acted on where it leaks. It only
uses public verbs of `lobbies`, and never ends a process itself."""

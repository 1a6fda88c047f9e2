"""Child processes: messages, channel, supervisor with its ladder and spares, and the children's entry points.

This room starts, hears and ends processes. It never decides what a lobby does, and the control plane's side of it never
imports GStreamer: children are started by module name.
"""

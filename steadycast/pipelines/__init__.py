"""What GStreamer does: the plan (pure), building, running and taking down. It never talks to the control plane.

The only room that imports gi.
"""

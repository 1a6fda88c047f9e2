"""One fan-out core for all viewers, and the protocols in front of it.

It never imports GStreamer and never knows what a lobby is made of.
"""

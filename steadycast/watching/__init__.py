"""Looks after servers that are not ours: watches them, keeps them alive by a policy, diagnoses their logs. It needs no
GStreamer, never ends what it did not start or was not given, and never acts on what it cannot tell."""

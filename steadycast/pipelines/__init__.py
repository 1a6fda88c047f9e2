"""What GStreamer does: the plan (pure), building, running and taking down. The only room that imports gi; it never talks to the control plane."""

"""What `watch`, `guard` and `diagnose` share about other people's processes: their output as it grows, what is left of
a growth when nobody uses them, short commands, and the end of a whole tree. It decides nothing, and ends nothing that
it was not given."""

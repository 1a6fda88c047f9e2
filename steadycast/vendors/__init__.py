"""Which devices can encode here, and what is used of them now.

Each vendor looks in its own way behind one protocol; `attendance` calls them off the event loop with a deadline and
believes only what makes sense. It looks and never opens an encoder; whether one works is found out by a trial."""

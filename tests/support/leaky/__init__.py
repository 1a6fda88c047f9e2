"""Small real programs that lose one thing a cycle when told to, and do the same work without a loss when not."""

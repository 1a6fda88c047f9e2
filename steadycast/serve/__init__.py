"""A host from its first line to its last: builds all parts, starts them in order, stops them in reverse."""

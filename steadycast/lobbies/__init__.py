"""A lobby and its viewers from request to gone: a pure state table, the owner that acts, the store.

It never touches media."""

"""Looks at processes and files from outside, and writes receipts. Nothing reports to it: it asks."""

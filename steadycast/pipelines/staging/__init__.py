"""Staging buffers: memory that a producer outside and a lobby's pipeline share, lent and given back slot by slot.

It takes pictures in at their pace and in their order, and gives each slot back as soon as nothing here looks at it. It
never makes a buffer because somebody is too fast, and trusts nothing that a producer says."""

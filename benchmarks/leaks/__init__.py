"""How well growth with time is told from all that looks like it: seeded series with truth, recorded ones, rivals."""

"""Who may encode where: the acting part of admission. It asks the vendors, keeps the ledger, lends seats, serves the
line, learns from refusals and promotes. What is decided is decided in `leases`.

It opens no encoder: lobby workers do, and throw-away children for trials."""

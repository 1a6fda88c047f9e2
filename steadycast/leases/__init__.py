"""Who holds what, and who gets what: quotas and the ledger of reservations, session caps, costs, admission, the line,
promotion, breakers, what drivers show against what is lent, budgets of requests. Pure, with the time as an argument; it
never touches a device or a socket."""

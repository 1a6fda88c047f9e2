"""Who holds what: quotas, budgets of requests. Pure bookkeeping with the time as an argument;
it never touches a device or a socket."""

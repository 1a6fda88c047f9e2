"""Light receivers: many viewers in one process that count and check packets and decode nothing."""

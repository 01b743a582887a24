"""Where a message waits: pipes, with an outbound and an inbound half."""

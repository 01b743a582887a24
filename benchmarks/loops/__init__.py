"""The inner loops of a measurement and the checks in them, the same for every library."""

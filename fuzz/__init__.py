"""Programs that look for bytes which break a promise; see each for which."""

"""Which model scores: the champion of the registry, a pinned version, or the one before."""

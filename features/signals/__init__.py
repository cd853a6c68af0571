"""Every signal, defined once: one SQL file a family, and the catalogue of what each means."""

"""One SQL text, several ways to run it."""

"""The catalogue of signals, for those who read scores."""

"""One file a version of the tables, each frozen as it was: what they lay must never change."""

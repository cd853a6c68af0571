"""Target lists: who, why and how much."""

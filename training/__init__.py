"""Jobs that turn a ledger into a registered model."""

"""Estimators: arrays in, numbers out. No clock, no MLflow, no web.

Time is in days everywhere, money in the ledger's currency. Import the module that is needed:
nothing is imported here, so that the service never pays for what only training uses.
"""

__all__: list[str] = []

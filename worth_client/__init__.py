"""A typed client of the service, for sales systems and notebooks."""

from worth_client.client import WorthClient
from worth_client.errors import ServiceAwayError, WorthError

__all__ = ["ServiceAwayError", "WorthClient", "WorthError"]

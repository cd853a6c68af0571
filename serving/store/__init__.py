"""All state in one SQL store: small statements by SQLAlchemy, whole tables as Arrow by ADBC."""

from serving.store.base import Store, StoreError
from serving.store.sqlite import SQLiteStore

__all__ = ["SQLiteStore", "Store", "StoreError"]

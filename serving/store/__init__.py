"""All state in one SQL store: small statements by SQLAlchemy, whole tables as Arrow by ADBC."""

from serving.store.base import Store, StoreError, UnstorableError
from serving.store.opening import open_store
from serving.store.sqlite import SQLiteStore

__all__ = ["SQLiteStore", "Store", "StoreError", "UnstorableError", "open_store"]

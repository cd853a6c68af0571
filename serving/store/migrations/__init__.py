"""How a store of any version becomes one of the version that this program knows."""

from serving.store.migrations.upgrade import BASELINE, upgrade

__all__ = ["BASELINE", "upgrade"]

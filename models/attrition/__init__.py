"""Who still buys, and how often: models of (frequency, recency, T), one a file."""

from models.attrition.beta_geo import BetaGeoModel
from models.attrition.nbd import NBDModel

__all__ = ["BetaGeoModel", "NBDModel"]

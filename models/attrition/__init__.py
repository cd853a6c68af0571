"""Who still buys, and how often: models of (frequency, recency, T), one a file."""

from models.attrition.beta_geo import BetaGeoModel
from models.attrition.lifetimes_beta_geo import LifetimesBetaGeoModel
from models.attrition.model import AttritionModel
from models.attrition.modified_beta_geo import ModifiedBetaGeoModel
from models.attrition.nbd import NBDModel
from models.attrition.pareto_nbd import ParetoNBDModel

__all__ = [
    "ATTRITION_MODELS",
    "AttritionModel",
    "BetaGeoModel",
    "LifetimesBetaGeoModel",
    "ModifiedBetaGeoModel",
    "NBDModel",
    "ParetoNBDModel",
]

ATTRITION_MODELS: dict[str, type[AttritionModel]] = {
    "nbd": NBDModel,
    "beta_geo": BetaGeoModel,
    "modified_beta_geo": ModifiedBetaGeoModel,
    "pareto_nbd": ParetoNBDModel,
    "lifetimes_beta_geo": LifetimesBetaGeoModel,
}
"""By the names that settings and registered models go by."""

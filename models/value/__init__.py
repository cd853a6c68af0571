"""What customers will be worth, in money over a horizon: one model a file."""

from models.value.boosted import BoostedValueModel
from models.value.latent import LatentValueModel

__all__ = ["BoostedValueModel", "LatentValueModel"]

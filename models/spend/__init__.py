"""How much a customer spends per purchase, one model a file."""

from models.spend.gamma_gamma import GammaGammaModel

__all__ = ["GammaGammaModel"]

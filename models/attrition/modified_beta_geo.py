"""The MBG/NBD model: customers may leave after each purchase, the first one included."""

from dataclasses import dataclass
from typing import ClassVar

from models.attrition.beta_geo import BetaGeoModel, BetaGeoProcess

__all__ = ["ModifiedBetaGeoModel", "ModifiedBetaGeoProcess"]


@dataclass(frozen=True)
class ModifiedBetaGeoProcess(BetaGeoProcess):
    """Purchases at a rate lambda, each purchase the last with probability p.

    These are the equations of `ModifiedBetaGeoModel`.

    Parameters
    ----------
    r, alpha : float
        Shape and rate (days) of the purchase rates, in (0, inf).
    a, b : float
        Parameters of the dropout probability, in (0, inf).
    """

    first_chances: ClassVar[int] = 1


class ModifiedBetaGeoModel(BetaGeoModel):
    """Modified beta-geometric / NBD model of repeat purchases [1]_.

    It assumes what `BetaGeoModel` does, but for

    3. after each purchase, the first one included, the customer leaves with probability p.

    So a customer who bought once may have left. Where few buy only once, or all are observed for
    long, `BetaGeoModel` is as good.

    Attributes
    ----------
    r_, alpha_ : float
        Shape and rate (days) of the purchase rates, in (0, inf).
    a_, b_ : float
        Parameters of the dropout probability, in (0, inf); 0 and 1 in the fallback.
    fallback_ : bool
        Whether this is the NBD model.
    fallback_reason_ : str or None
        Why, in a sentence.
    log_likelihood_ : float
        Summed over the customers of the fit, without the priors.

    References
    ----------
    .. [1] Batislam, E. P., Denizel, M. and Filiztekin, A. (2007), "Empirical validation and
       comparison of models for customer base analysis", International Journal of Research in
       Marketing 24 (3), 201-209.

    Examples
    --------
    >>> import pandas as pd
    >>> customers = pd.DataFrame({"frequency": [0, 2], "recency": [0, 30], "T": [90, 40]})
    >>> ModifiedBetaGeoModel().fit(customers).fallback_
    True
    """

    _process = ModifiedBetaGeoProcess

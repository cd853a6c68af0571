"""The NBD model: customers buy at random, at their own rates, and never leave."""

from models.attrition.model import AttritionModel

__all__ = ["NBDModel"]


class NBDModel(AttritionModel):
    """Negative binomial model of repeat purchases [1]_.

    It assumes that

    1. while observed, a customer buys at random at rate lambda (a Poisson process);
    2. lambda differs between customers by a gamma distribution of shape r and rate alpha;
    3. nobody ever leaves.

    Where customers do leave, it overrates those long silent: the other models are then better,
    and fall back to this one where no leaving can be seen. The fit has weak log-normal priors, so
    that it gives finite parameters on any valid data, a ledger without repeat purchases included.

    Attributes
    ----------
    r_ : float
        Shape of the purchase rates, in (0, inf).
    alpha_ : float
        Rate of the purchase rates, in days, in (0, inf).
    fallback_, fallback_reason_ : bool, None
        False and None: it needs no way out.
    log_likelihood_ : float
        Summed over the customers of the fit, without the priors.

    References
    ----------
    .. [1] Ehrenberg, A. S. C. (1959), "The Pattern of Consumer Purchases", Applied Statistics 8.

    Examples
    --------
    >>> import pandas as pd
    >>> customers = pd.DataFrame({"frequency": [0, 2], "recency": [0, 30], "T": [90, 40]})
    >>> model = NBDModel().fit(customers)
    >>> once, thrice = model.expected_purchases(customers, horizon_days=30)
    >>> bool(once < thrice)
    True
    """

"""What money to come is worth today."""

from math import expm1, log1p

__all__ = ["discount_factor"]

_DAYS_A_YEAR = 365.0


def discount_factor(horizon_days: float, discount_rate: float) -> float:
    """Value today of one unit of money that comes in evenly over the horizon.

    The mean of (1 + d)^(-t / 365) over t in (0, H], which is (1 - (1 + d)^(-H / 365)) divided by
    ln(1 + d) H / 365 (continuous discounting; Fader, Hardie and Lee 2005, "RFM and CLV",
    Journal of Marketing Research 42, p. 423).

    Parameters
    ----------
    horizon_days : float
        Days over which it comes in, in (0, inf).
    discount_rate : float
        Annual, in [0, inf).

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> round(discount_factor(365, 0.10), 4)
    0.9538
    >>> discount_factor(365, 0.0)
    1.0
    """
    if not horizon_days > 0:
        raise ValueError(
            f"horizon_days must be a number in (0, inf). Got {horizon_days!r} instead."
        )
    if not discount_rate >= 0:
        raise ValueError(
            f"discount_rate must be a number in [0, inf). Got {discount_rate!r} instead."
        )
    growth = log1p(discount_rate) * horizon_days / _DAYS_A_YEAR
    return -expm1(-growth) / growth if growth > 0 else 1.0

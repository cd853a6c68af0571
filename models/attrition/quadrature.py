"""Nodes and weights for integrals over a customer's dropout."""

from functools import cache, lru_cache

import numpy as np
from scipy.linalg import eigh_tridiagonal

from models.base import FloatArray

__all__ = ["beta_nodes", "legendre_nodes"]


@cache
def legendre_nodes(n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes in (0, 1) and weights with sum 1 for integrals from 0 to 1, by Gauss and Legendre.

    Parameters
    ----------
    n_nodes : int
        1 or more. Polynomials up to degree 2 n_nodes - 1 are integrated exactly.

    Returns
    -------
    (array of shape (n_nodes,), array of shape (n_nodes,))
        Nodes, rising, and weights. Both are shared: do not write into them.

    Examples
    --------
    >>> nodes, weights = legendre_nodes(3)
    >>> round(float(weights @ nodes**5), 12)
    0.166666666667
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return (1 + nodes) / 2, weights / 2


@lru_cache(maxsize=4096)
def beta_nodes(a: float, b: float, n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes in (0, 1] and weights with sum 1 for means over a beta(a, b) distribution.

    Gauss-Jacobi quadrature by the eigenvalues of the Jacobi matrix [1]_. The weights come out as
    probabilities, so nothing overflows at a or b in the thousands.

    Parameters
    ----------
    a, b : float
        Of the beta distribution, in (0, inf).
    n_nodes : int
        2 or more.

    Returns
    -------
    (array of shape (n_nodes,), array of shape (n_nodes,))
        Nodes, rising, and weights. Both are shared: do not write into them.

    References
    ----------
    .. [1] Golub, G. H. and Welsch, J. H. (1969), "Calculation of Gauss Quadrature Rules",
       Mathematics of Computation 23.

    Examples
    --------
    >>> nodes, weights = beta_nodes(2.0, 3.0, 8)
    >>> round(float(weights @ nodes), 12)
    0.4
    """
    # Written in a and b, not in the exponents b - 1 and a - 1, which forget an a and b near 0.
    k = np.arange(float(n_nodes - 1))
    total = 2 * k + a + b
    later = (a - b) * (a + b - 2) / (total * (total + 2))
    diagonal = np.append((a - b) / (a + b), later)
    # At k = 0 a factor of a + b - 1 cancels, which may be 0.
    rising, falling = k + a + b - 1, total - 1
    rising[0] = falling[0] = 1.0
    square = 4 * (k + 1) * (k + b) * (k + a) * rising / (total**2 * (total + 1) * falling)
    nodes, vectors = eigh_tridiagonal((1 + diagonal) / 2, np.sqrt(square) / 2)
    # Rounding may take the first node to 0 or below, where the integrand is flat but not defined.
    return np.clip(nodes, 1e-12, 1.0), vectors[0] ** 2

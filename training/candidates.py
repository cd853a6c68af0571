"""The candidates of a tournament that have to be fitted: latent attrition, and boosting on top."""

import numpy as np
import pandas as pd
from joblib import cpu_count

from features.ledger import date_of
from models.value.boosted import BoostedValueModel
from models.value.latent import LatentValueModel
from training.panel import Panel, ValueBasis
from training.plan import TrainingError

__all__ = ["BOOSTED", "fit_boosted", "fit_latent"]

# By name: whether it corrects the latent forecast, or has it as a signal.
BOOSTED = {"boosted": False, "corrected": True}
# With fewer rows than this a boosted model learns chance.
_FEWEST_ROWS, _FEWEST_ACTIVE = 200, 30
# More teach it little (CDNOW, all: the same figures to two digits), and cost time in proportion.
_MOST_ROWS = 60_000
# Windows after which a past day counts half: customers age, and the company changes.
_HALF_LIFE = 0.5
# Another hash than that of `panel.sampled`, whose low ones are all that a sample of customers has.
_THINNING = "another sampling"


def fit_latent(
    signals: pd.DataFrame, basis: ValueBasis, attrition: str, *, origin: int
) -> LatentValueModel:
    """Fit the latent candidate on what is known on a day.

    Parameters
    ----------
    signals : DataFrame of shape (n_customers, n_signals)
        Of everyone who had bought.
    basis : {"gross_margin", "revenue"}
        What value counts.
    attrition : str
        Its model of attrition.
    origin : int
        The day, in days since 1970-01-01.

    Returns
    -------
    LatentValueModel
        Fitted.

    Raises
    ------
    TrainingError
        If nobody's value is known.
    """
    if signals[basis].isna().all():
        raise TrainingError(
            f"No order line of those who had bought by {date_of(origin)} has a cost, so there is "
            "no margin. Map cost, or take revenue as value."
        )
    return LatentValueModel(basis, attrition).fit(signals)


def fit_boosted(
    panels: list[Panel], latent: LatentValueModel, *, random_state: int
) -> dict[str, BoostedValueModel]:
    """Fit the boosted candidates on several past days.

    Parameters
    ----------
    panels : list of Panel
        Signals and outcomes, of one window.
    latent : LatentValueModel
        Fitted; what it expects is given to the trees.
    random_state : int
        Seed of the boosting.

    Returns
    -------
    dict of str to BoostedValueModel
        By name; empty where there is too little to learn from.
    """
    if not panels:
        return {}
    panels = _thinned(panels)
    outcomes = pd.concat([panel.outcomes for panel in panels], ignore_index=True)
    n_active = int((outcomes["purchases"] > 0).sum())
    if len(outcomes) < _FEWEST_ROWS or min(n_active, len(outcomes) - n_active) < _FEWEST_ACTIVE:
        return {}
    window = panels[0].horizon_days
    signals = pd.concat([panel.signals for panel in panels], ignore_index=True)
    base = pd.concat([latent.forecast(panel.signals, window) for panel in panels])
    last = max(panel.origin for panel in panels)
    ages = np.repeat([last - panel.origin for panel in panels], [len(p.signals) for p in panels])
    weight = 0.5 ** (ages / (_HALF_LIFE * window))
    return {
        name: BoostedValueModel(window, is_correction, random_state, n_jobs=cpu_count()).fit(
            signals, outcomes, base=base, sample_weight=weight
        )
        for name, is_correction in BOOSTED.items()
    }


def _thinned(panels: list[Panel]) -> list[Panel]:
    """Leave customers out, the same ones of every day, until there are few enough rows."""
    kept = _MOST_ROWS / max(sum(len(panel.signals) for panel in panels), 1)
    if kept >= 1.0:
        return panels
    thin = []
    for panel in panels:
        ids = panel.signals.index.to_numpy(dtype=object)
        hashes = pd.util.hash_array(ids, hash_key=_THINNING)
        rows = hashes < kept * 2.0**64
        signals, outcomes = panel.signals[rows], panel.outcomes[rows]
        thin.append(Panel(panel.origin, panel.horizon_days, signals, outcomes))
    return thin

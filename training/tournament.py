"""Candidates forecast from past days; for each question the one that did best is chosen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf, isnan
from statistics import fmean
from types import MappingProxyType

import pandas as pd

from features.ledger import Ledger
from models.attrition import ATTRITION_MODELS
from models.value.boosted import BoostedValueModel
from models.value.forecaster import LATENT, QUESTIONS, Blend, blended, forecasts_of_parts
from models.value.latent import LatentValueModel
from training.baseline import naive_forecast
from training.candidates import BOOSTED, fit_boosted, fit_latent
from training.measure import measure
from training.panel import Panel, ValueBasis, build_panels
from training.plan import Plan

__all__ = [
    "BASELINE",
    "LOSSES",
    "Entry",
    "Tournament",
    "Trial",
    "run_tournament",
]

BASELINE = "naive"
# One proper score a question: two for means with many zeros, one for a probability.
LOSSES: Mapping[str, str] = MappingProxyType(
    {"value": "value_tweedie", "churn": "churn_log_loss", "purchases": "purchases_poisson"}
)
# What did best over many ledgers is only left for what does clearly better on this one; the less
# there is to test on, the more clearly.
_USUAL: Mapping[str, str] = MappingProxyType(
    {"value": "latent + boosted", "churn": "latent + boosted", "purchases": "latent + corrected"}
)
_USUAL_ATTRITION = "pareto_nbd"
_CLEARLY, _CLEARLY_ON_LITTLE = 0.01, 0.15
_BLENDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "latent + boosted": (LATENT, "boosted"),
        "latent + corrected": (LATENT, "corrected"),
        "boosted + corrected": ("boosted", "corrected"),
        "latent + boosted + corrected": (LATENT, "boosted", "corrected"),
    }
)


@dataclass(frozen=True)
class Trial:
    """One past day: what was known, what came, and what each candidate had said.

    Parameters
    ----------
    test : Panel
        Signals and outcomes.
    forecasts : dict of str to DataFrame of shape (n_customers, n_columns)
        By candidate.
    metrics : dict of str to dict of str to float
        Figures by candidate.
    """

    test: Panel
    forecasts: dict[str, pd.DataFrame]
    metrics: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Entry:
    """One candidate's result.

    Parameters
    ----------
    name : str
        By which people know it.
    parts : dict of str to float
        Weight by part; empty for what cannot serve.
    metrics : dict of str to float
        Its figures, each the mean over the trials that have it.
    """

    name: str
    parts: dict[str, float]
    metrics: dict[str, float]

    def loss(self, question: str) -> float:
        """Give the figure that decides; infinite where it cannot be taken.

        Parameters
        ----------
        question : {"value", "churn", "purchases"}
            Which.

        Returns
        -------
        float
            In [0, inf].
        """
        loss = self.metrics.get(LOSSES[question], inf)
        return inf if isnan(loss) else loss


@dataclass(frozen=True)
class Tournament:
    """The result of a tournament.

    Parameters
    ----------
    plan : Plan
        Its days.
    trials : tuple of Trial
        The last day first; none where the history is too short.
    entries : tuple of Entry
        The baseline first.
    attrition : str
        The best model of attrition: the latent part of every blend.
    remarks : tuple of str
        What it had to do without, and why.
    """

    plan: Plan
    trials: tuple[Trial, ...]
    entries: tuple[Entry, ...]
    attrition: str
    remarks: tuple[str, ...]

    @property
    def baseline(self) -> Entry:
        """What happened last time, repeated."""
        return self.entries[0]

    @property
    def winner(self) -> Entry:
        """The best for value, which gives the model its name."""
        return self.winner_of("value")

    @property
    def trials_of_the_season(self) -> tuple[Trial, ...]:
        """The trials of the season that is to be forecast; all where there is none."""
        same = [trial for trial in self.trials if self.plan.is_same_season(trial.test.origin)]
        return tuple(same) or self.trials

    def winner_of(self, question: str) -> Entry:
        """Choose the best candidate for a question among those that can serve.

        Parameters
        ----------
        question : {"value", "churn", "purchases"}
            Which.

        Returns
        -------
        Entry
            Of those that are not clearly worse than the best, the usual one, or else the one of
            most parts: their errors level out. Over less than the whole horizon, purchases are the
            latent model's, which alone knows how they go on.
        """
        servable = {entry.name: entry for entry in self.entries if entry.parts}
        least = min(entry.loss(question) for entry in servable.values())
        good = {
            name: entry
            for name, entry in servable.items()
            if entry.loss(question) * (1 - self._margin) <= least
        }
        extrapolates = question == "purchases" and not self.plan.is_full_test
        usual = self.attrition if extrapolates else _USUAL[question]
        return good.get(usual) or max(
            good.values(), key=lambda entry: (len(entry.parts), -entry.loss(question))
        )

    @property
    def _margin(self) -> float:
        return _margin(self.plan, len(self.trials))

    @property
    def metrics(self) -> dict[str, float]:
        """The winners' figures, each question's from its winner."""
        return {
            name: figure
            for question in QUESTIONS
            for name, figure in self.winner_of(question).metrics.items()
            if name.startswith(f"{question}_")
        }

    @property
    def weights(self) -> Blend:
        """The winners' weights, by question and part."""
        return {question: self.winner_of(question).parts for question in QUESTIONS}

    @property
    def is_boosted(self) -> bool:
        """Whether a boosted part has a weight."""
        return any(name in BOOSTED for parts in self.weights.values() for name in parts)

    def latent_alone(self) -> "Tournament":
        """Send the boosted candidates home, where they can learn no more from what is known now.

        Returns
        -------
        Tournament
            Without them, and with a remark.
        """
        entries = tuple(entry for entry in self.entries if not entry.parts.keys() - {LATENT})
        remark = (
            "The boosted candidates sat out: in the latest windows too few bought, or too few did "
            "not, to learn from."
        )
        return replace(self, entries=entries, remarks=(*self.remarks, remark))

    def forecast_of_winners(self, trial: Trial) -> pd.DataFrame:
        """Put together what the winners had said.

        Parameters
        ----------
        trial : Trial
            When.

        Returns
        -------
        DataFrame of shape (n_customers, 3)
            Columns expected_value, churn_probability and expected_purchases.
        """
        columns = {
            column: trial.forecasts[self.winner_of(question).name][column]
            for question, column in QUESTIONS.items()
        }
        return pd.DataFrame(columns)


def run_tournament(
    ledger: Ledger,
    plan: Plan,
    basis: ValueBasis,
    *,
    random_state: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[Tournament, dict[int, Panel]]:
    """Let the candidates forecast past windows, each fitted on what came before.

    Parameters
    ----------
    ledger : Ledger
        The clean tables, without rows after the plan's `as_of`.
    plan : Plan
        The days.
    basis : {"gross_margin", "revenue"}
        What value counts.
    random_state : int, default 0
        Seed of what is left to chance.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    tuple of (Tournament, dict of int to Panel)
        Every candidate's figures, and the panels by origin.
    """
    needed = set(plan.test_origins)
    for end in (plan.as_of, *plan.test_origins):
        needed |= set(plan.learning_origins(end))
    report(f"signals at {len(needed)} past days")
    panels = build_panels(ledger, sorted(needed, reverse=True), plan.window_days, basis)
    panels = {origin: panel for origin, panel in panels.items() if len(panel.signals)}
    origins = [origin for origin in plan.test_origins if origin in panels]
    report("fitting models of attrition")
    latent = [_latent_forecasts(panels[origin], basis) for origin in origins]
    attrition = _best_attrition([panels[origin] for origin in origins], latent, plan)
    trials, remarks = [], dict.fromkeys(_remarks(plan))
    for origin, forecasts in zip(origins, latent, strict=True):
        report(f"boosting for the trial {plan.as_of - origin} days ago")
        learning = [panels[o] for o in plan.learning_origins(origin) if o in panels]
        model = _latent(panels[origin], basis, attrition)
        try:
            boosted = fit_boosted(learning, model, random_state=random_state)
        except ImportError as error:
            boosted, sentence = {}, f"The boosted candidates sat out: {error}"
            remarks[sentence] = None
        naive = naive_forecast(
            ledger, panels[origin].signals, origin=origin, days=plan.window_days, basis=basis
        )
        trials.append(_trial(panels[origin], {BASELINE: naive} | forecasts, model, boosted))
    return (
        Tournament(plan, tuple(trials), _entries(trials, attrition), attrition, tuple(remarks)),
        panels,
    )


def _latent(panel: Panel, basis: ValueBasis, attrition: str) -> LatentValueModel:
    return fit_latent(panel.signals, basis, attrition, origin=panel.origin)


def _latent_forecasts(panel: Panel, basis: ValueBasis) -> dict[str, pd.DataFrame]:
    return {
        name: _latent(panel, basis, name).forecast(panel.signals, panel.horizon_days)
        for name in ATTRITION_MODELS
    }


def _margin(plan: Plan, n_trials: int) -> float:
    return _CLEARLY if plan.is_full_test and n_trials > 1 else _CLEARLY_ON_LITTLE


def _best_attrition(tests: list[Panel], latent: list[dict[str, pd.DataFrame]], plan: Plan) -> str:
    """Choose by the losses of all questions, because every blend builds on it."""
    losses = {name: 0.0 for name in ATTRITION_MODELS}
    for test, forecasts in zip(tests, latent, strict=True):
        for name, forecast in forecasts.items():
            figures = measure(forecast, test.outcomes)
            losses[name] += sum(figures[loss] for loss in LOSSES.values() if figures[loss] > 0)
    best = min(losses, key=lambda name: losses[name])
    is_clear = losses[best] < losses[_USUAL_ATTRITION] * (1 - _margin(plan, len(tests)))
    return best if is_clear else _USUAL_ATTRITION


def _trial(
    test: Panel,
    forecasts: dict[str, pd.DataFrame],
    latent: LatentValueModel,
    boosted: dict[str, BoostedValueModel],
) -> Trial:
    parts = forecasts_of_parts(latent, boosted, test.signals, test.horizon_days)
    forecasts = forecasts | {name: parts[name] for name in boosted}
    for name, members in _BLENDS.items():
        if all(member in parts for member in members):
            forecasts[name] = blended(parts, dict.fromkeys(QUESTIONS, _evenly(members)))
    metrics = {name: measure(found, test.outcomes) for name, found in forecasts.items()}
    return Trial(test, forecasts, metrics)


def _evenly(members: tuple[str, ...]) -> dict[str, float]:
    return dict.fromkeys(members, 1.0 / len(members))


def _entries(trials: list[Trial], attrition: str) -> tuple[Entry, ...]:
    if not trials:
        return (Entry(BASELINE, {}, {}), Entry(attrition, {LATENT: 1.0}, {}))
    # What sat out one trial cannot be compared over all.
    names = [name for name in trials[0].metrics if all(name in trial.metrics for trial in trials)]
    return tuple(
        Entry(name, _parts(name, attrition), _mean([trial.metrics[name] for trial in trials]))
        for name in names
    )


def _parts(name: str, attrition: str) -> dict[str, float]:
    if name in _BLENDS:
        return _evenly(_BLENDS[name])
    if name in BOOSTED:
        return {name: 1.0}
    return {LATENT: 1.0} if name == attrition else {}


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    known = {name: [one[name] for one in found if not isnan(one[name])] for name in found[0]}
    return {name: fmean(values) if values else float("nan") for name, values in known.items()}


def _remarks(plan: Plan) -> list[str]:
    if not plan.test_origins:
        return [
            "The history is too short to hold candidates against it: the latent model extrapolates "
            "from what is usual, and how sure it is was never tested."
        ]
    if not plan.is_full_test:
        return [
            "The history is shorter than two and a half horizons: the candidates competed over "
            f"{plan.window_days} days instead of {plan.horizon_days}, and the latent model "
            "extrapolates."
        ]
    return []

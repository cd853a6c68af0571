"""The report of `worth monitor`: for the console, for programs and for the printer."""

import base64
import io
import json
from collections.abc import Mapping
from functools import partial
from math import isfinite
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape

from features.ledger import date_of
from features.signals.catalogue import CATALOGUE
from models.drift import MUCH_DRIFT, SOME_DRIFT
from training.monitoring import NOMINAL_COVERAGE, Monitoring
from training.pictures import (
    draw_calibration,
    draw_coverage,
    draw_drift,
    draw_gain_curve,
    draw_reliability,
)
from worth import reports
from worth.pages import page_environment

__all__ = [
    "facts_of",
    "metrics_of",
    "pictures_of",
    "print_report",
    "report_html",
    "report_json",
]

# So many signals are listed, those that moved most; all of them are in the JSON.
_SIGNALS_SHOWN = 15
_DOTS_PER_INCH = 110
_ACTIONS = {
    "keep": "Keep the model.",
    "recalibrate": "Recalibrate: the order holds, the level does not; worth train sets it anew.",
    "retrain": "Train the model again: worth train.",
}
_CAPTIONS = {
    "calibration": "Predicted and actual value by tenth of customers",
    "gain": "Which share of value the best customers brought",
    "reliability": "Whether as many customers stayed away as was expected",
    "coverage": "Whether as many values fell outside their intervals as was meant",
    "drift": "Which signals have moved since",
}


def pictures_of(monitoring: Monitoring, currency: str) -> dict[str, Figure]:
    """Draw what was predicted against what came.

    Parameters
    ----------
    monitoring : Monitoring
        The comparison.
    currency : str
        Of the money.

    Returns
    -------
    dict of str to Figure
        By name; coverage is left out where no intervals can be judged.
    """
    expected, actual = monitoring.expected, monitoring.actual
    forecasts = {"model": expected, "naive": monitoring.naive}
    pictures = {
        "calibration": draw_calibration(expected, actual, currency=currency),
        "gain": draw_gain_curve(forecasts, actual),
        "reliability": draw_reliability(actual["purchases"] == 0, expected["churn_probability"]),
    }
    if monitoring.coverage:
        pictures["coverage"] = draw_coverage(
            actual["value"],
            expected["value_lower"],
            expected["value_upper"],
            expected["expected_value"],
            nominal_coverage=NOMINAL_COVERAGE,
        )
    drift = draw_drift(monitoring.drift["psi"])
    drift.axes[0].set_xlabel("population stability index (PSI) against the day of the forecast")
    return pictures | {"drift": drift}


def facts_of(monitoring: Monitoring, model: str, currency: str) -> dict[str, str]:
    """Gather the facts that head a report, written for people.

    Parameters
    ----------
    monitoring : Monitoring
        The comparison.
    model : str
        Name and version.
    currency : str
        Of the money.

    Returns
    -------
    dict of str to str
        Name and value.
    """
    forecast, line = monitoring.forecast, monitoring.calibration.line
    expected, actual = monitoring.expected, monitoring.actual
    end = date_of(forecast.as_of + monitoring.days_seen)
    facts = {
        "forecast": f"as of {date_of(forecast.as_of)} by {model}",
        "held against": f"what came until {end}, "
        f"{monitoring.days_seen:,} of {forecast.horizon_days:,} days",
        "customers": f"{len(actual):,}",
        "who bought": f"{(actual['purchases'] > 0).sum():,}, expected were "
        f"{(1 - expected['churn_probability']).sum():,.0f}",
        "purchases": f"{actual['purchases'].sum():,.0f}, expected were "
        f"{expected['expected_purchases'].sum():,.0f}",
        f"value ({forecast.basis.replace('_', ' ')})": f"{actual['value'].sum():,.0f} {currency}, "
        f"expected were {expected['expected_value'].sum():,.0f}",
        "actual over expected value": _ranged(
            monitoring.calibration.ratio,
            monitoring.calibration.lower,
            monitoring.calibration.upper,
            "{:.1%}",
        ),
        "slope of churn (1 is reliable)": _ranged(
            line.slope, line.slope_lower, line.slope_upper, "{:.2f}"
        ),
        "intercept of churn (0 is reliable)": _written("{:.2f}", line.intercept),
    }
    if monitoring.coverage:
        facts[f"values within their {NOMINAL_COVERAGE:.0%} interval"] = (
            f"{monitoring.coverage['inside']:.1%}; {monitoring.coverage['below']:.1%} below, "
            f"{monitoring.coverage['above']:.1%} above"
        )
    newcomers = monitoring.newcomers
    return facts | {
        "customers who came since": f"{newcomers['n_customers']:,}, with "
        f"{_written('{:.1%}', newcomers['revenue_share'])} of the revenue"
    }


def print_report(monitoring: Monitoring, model: str, currency: str, console: Console) -> None:
    """Print a report for people.

    Parameters
    ----------
    monitoring : Monitoring
        The comparison.
    model : str
        Name and version.
    currency : str
        Of the money.
    console : Console
        Where to print it.
    """
    # Names and tiers may hold what rich would take for markup.
    facts = {name: escape(value) for name, value in facts_of(monitoring, model, currency).items()}
    console.print(reports.facts_table("Forecast and outcome", facts))
    console.print(reports.figures_table("Figures", monitoring.figures))
    tiers = _tiers(monitoring)
    tiers["group"] = tiers["group"].map(escape)
    unit = f"{currency} a customer"
    console.print(reports.frame_table(f"By tier, {unit}", tiers))
    console.print(reports.frame_table(f"By tenth of predicted value, {unit}", _deciles(monitoring)))
    drift = _drift(monitoring)
    console.print(reports.frame_table("Signals that moved most", drift.drop(columns="meaning")))
    for remark in monitoring.remarks:
        console.print(f"Note: {remark}", highlight=False, markup=False)
    console.print(_ACTIONS[monitoring.verdict.action], style="bold", highlight=False)
    for reason in monitoring.verdict.reasons:
        console.print(f"  {reason}", highlight=False, markup=False)


def report_json(monitoring: Monitoring, model: str, currency: str) -> str:
    """Write a report for programs.

    Parameters
    ----------
    monitoring : Monitoring
        The comparison.
    model : str
        Name and version.
    currency : str
        Of the money.

    Returns
    -------
    str
        A JSON object. What could not be taken is null.
    """
    forecast, calibration = monitoring.forecast, monitoring.calibration
    content = {
        "as_of": date_of(forecast.as_of).isoformat(),
        "until": date_of(forecast.as_of + monitoring.days_seen).isoformat(),
        "last_day": date_of(monitoring.last_day).isoformat(),
        "horizon_days": forecast.horizon_days,
        "days_seen": monitoring.days_seen,
        "is_complete": monitoring.is_complete,
        "model": model,
        "currency": currency,
        "value_basis": forecast.basis,
        "n_customers": len(monitoring.actual),
        "figures": monitoring.figures,
        "total_ratio": {
            "ratio": calibration.ratio,
            "lower": calibration.lower,
            "upper": calibration.upper,
        },
        "churn_line": vars(calibration.line),
        "coverage": monitoring.coverage or None,
        "by_tier": _rows(monitoring.by_tier),
        "by_decile": _rows(monitoring.by_decile),
        "newcomers": monitoring.newcomers,
        "drift": _rows(monitoring.drift),
        "remarks": list(monitoring.remarks),
        "verdict": {
            "action": monitoring.verdict.action,
            "reasons": list(monitoring.verdict.reasons),
        },
    }
    return json.dumps(_known(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def report_html(
    monitoring: Monitoring, model: str, currency: str, pictures: Mapping[str, Figure]
) -> str:
    """Write a report as a page that stands alone and prints well.

    Parameters
    ----------
    monitoring : Monitoring
        The comparison.
    model : str
        Name and version.
    currency : str
        Of the money.
    pictures : mapping of str to Figure
        As `pictures_of` draws them; they become part of the page.

    Returns
    -------
    str
        HTML without scripts and without anything to load. All data are escaped.
    """
    environment = page_environment()
    environment.filters["number"] = partial(_written, "{:,.2f}")
    environment.filters["percent"] = partial(_written, "{:.0%}")
    return environment.get_template("monitor.html").render(
        title=f"What became of the forecast as of {date_of(monitoring.forecast.as_of)}",
        action=_ACTIONS[monitoring.verdict.action],
        monitoring=monitoring,
        facts=facts_of(monitoring, model, currency),
        currency=currency,
        figures=reports.figures_rows(monitoring.figures),
        pictures={
            name: {
                "source": _inlined(picture),
                "caption": _CAPTIONS[name],
                "finding": " ".join(picture.get_suptitle().replace(r"\$", "$").split()),
            }
            for name, picture in pictures.items()
        },
        tables={
            f"By tier, {currency} a customer": _tiers(monitoring).to_dict("records"),
            f"By tenth of predicted value, {currency} a customer": _deciles(monitoring).to_dict(
                "records"
            ),
        },
        drift=_drift(monitoring).to_dict("records"),
        n_signals=len(monitoring.drift),
        some=SOME_DRIFT,
        much=MUCH_DRIFT,
    )


def metrics_of(monitoring: Monitoring) -> dict[str, float]:
    """Gather the figures that a run keeps.

    Parameters
    ----------
    monitoring : Monitoring
        The comparison.

    Returns
    -------
    dict of str to float
        The model's by their names, the baseline's after "naive_", and those of level and drift.
    """
    calibration, drift = monitoring.calibration, monitoring.drift
    return {
        **monitoring.figures["model"],
        **{f"naive_{name}": value for name, value in monitoring.figures["naive"].items()},
        "total_ratio": calibration.ratio,
        "total_ratio_lower": calibration.lower,
        "total_ratio_upper": calibration.upper,
        "churn_slope": calibration.line.slope,
        "churn_intercept": calibration.line.intercept,
        **{f"coverage_{name}": share for name, share in monitoring.coverage.items()},
        "newcomers": monitoring.newcomers["n_customers"],
        "newcomers_revenue_share": monitoring.newcomers["revenue_share"],
        "signals_moved_much": float((drift["psi"] > MUCH_DRIFT).sum()),
        "psi_largest": float(drift["psi"].max()),
    }


def _tiers(monitoring: Monitoring) -> pd.DataFrame:
    return _for_people(monitoring.by_tier.reset_index(names="group"))


def _deciles(monitoring: Monitoring) -> pd.DataFrame:
    rows = monitoring.by_decile.reset_index(names="group")
    names = {1: "1 (lowest)", len(rows): f"{len(rows)} (highest)"}
    return _for_people(rows.assign(group=[names.get(n, str(n)) for n in rows["group"]]))


def _for_people(rows: pd.DataFrame) -> pd.DataFrame:
    names = {
        "n_customers": "customers",
        "mean_predicted": "mean predicted",
        "mean_actual": "mean actual",
        "ratio": "actual over predicted",
    }
    return rows.rename(columns=names).round(2)


def _drift(monitoring: Monitoring) -> pd.DataFrame:
    shown = monitoring.drift.head(_SIGNALS_SHOWN).reset_index()
    marks = [
        "much" if psi > MUCH_DRIFT else "some" if psi > SOME_DRIFT else "" for psi in shown["psi"]
    ]
    names = {"psi": "PSI", "by_chance": "by chance up to"}
    meanings = [CATALOGUE[name].meaning for name in shown["signal"]]
    return shown.assign(drift=marks, meaning=meanings).rename(columns=names)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.reset_index().to_dict("records")]


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _known(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _written(form: str, value: float) -> str:
    return form.format(value) if isfinite(value) else "not known"


def _ranged(value: float, lower: float, upper: float, form: str) -> str:
    if not isfinite(value) or not isfinite(lower):
        return _written(form, value)
    low, high = form.format(lower), form.format(upper)
    return f"{form.format(value)} (95 % range {low} to {high})"


def _inlined(picture: Figure) -> str:
    file = io.BytesIO()
    picture.savefig(file, format="png", dpi=_DOTS_PER_INCH)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"

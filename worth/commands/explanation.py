"""Reasons in money: of one customer's expected value, or of the whole company's."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
import typer

from features.ledger import Ledger, date_of
from features.pipeline import signals_digest
from features.signals.catalogue import CATALOGUE, as_typed
from worth import reports
from worth.commands.options import ConfigOption, err, open_store, out
from worth.explanation_report import drivers_table, factors_table
from worth.settings import Settings, load_settings

if TYPE_CHECKING:  # Importing them takes seconds, which other commands save.
    from models.value.explanation import Explainer, Factor
    from serving.champion import Champion
    from serving.store import Store

__all__ = ["ExplanationError", "explain"]

# So many tell what drives a company; more take longer and tell the same.
_MOST_CUSTOMERS = 20_000
_DRIVERS_SHOWN = 20


class ExplanationError(ValueError):
    """Raised where nothing can be explained."""


def explain(
    config: ConfigOption = None,
    customer: Annotated[str | None, typer.Option(help="Explain this customer's value.")] = None,
    company: Annotated[
        bool, typer.Option("--company", help="Show what drives all customers' value.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Say in money why customers are worth what they are, as of the ledger's last day."""
    if (customer is None) != company:
        raise typer.BadParameter("give --customer ID or --company")
    settings = load_settings(config)
    store = open_store(settings)
    day = store.last_day()
    if customer is None:
        _explain_company(settings, store, day, as_json=as_json)
        return
    signals = _signals_of(store, customer, day)
    champion = _champion(settings)
    answer = _explained(settings, store, champion, signals, day)
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    else:
        _print_answer(answer)


def _signals_of(store: "Store", customer: str, day: int) -> pd.DataFrame:
    """Compute the signals of one customer who may be profiled (1, n_signals)."""
    from serving.signals.computing import signals_in_store
    from serving.store.tables import LEDGER

    customers = LEDGER["customers"].c
    with store.reading() as connection:
        told = sa.select(customers.profiling_opt_out).where(customers.customer_id == customer)
        if connection.execute(told).scalar() == 1:
            raise ExplanationError(
                f"Customer {customer!r} has opted out of profiling, so there is no expected value "
                "to explain."
            )
        values = signals_in_store(store, connection, customer, day)
    if values is None:
        raise ExplanationError(
            f"The ledger holds no purchase of customer {customer[:100]!r} by {date_of(day)}. Ids "
            "are compared letter by letter."
        )
    return as_typed(pd.DataFrame([{"customer_id": customer} | values]))


def _champion(settings: Settings) -> "Champion":
    from serving.registry import load_champion

    champion = load_champion(settings.mlflow_uri)
    if champion.bundle.facts["signals_digest"] != signals_digest():
        raise ExplanationError(
            f"Version {champion.version} of the model learned from other definitions of the "
            "signals than this program computes. 'worth train' makes one that fits."
        )
    return champion


def _explained(
    settings: Settings, store: "Store", champion: "Champion", signals: pd.DataFrame, day: int
) -> dict[str, Any]:
    from models.value.explanation import BASE, factors_of, to_cents

    explainer = _stored_explainer(champion)
    if explainer is None:
        known, _ = _company_signals(store, day)
        explainer = _new_explainer(champion, known)
    factor = _discount_factor(settings, champion)
    forecast = champion.bundle.forecast(signals).iloc[0]
    expected = float(forecast["expected_value"]) * factor
    explained = to_cents(explainer.explain(signals, factor=factor), [expected]).iloc[0]
    values = {
        name: None if pd.isna(value) else value
        for name, value in zip(CATALOGUE, signals.iloc[0][list(CATALOGUE)], strict=True)
    }
    meanings = {name: signal.meaning for name, signal in CATALOGUE.items()}
    factors = factors_of(explained, values, meanings, typical=explainer.reference)
    return {
        "customer_id": str(signals.index[0]),
        **_facts(settings, champion, day),
        "clv": round(expected, 2) + 0.0,
        "expected_purchases": float(forecast["expected_purchases"]),
        "churn_probability": float(forecast["churn_probability"]),
        "p_alive": float(forecast["p_alive"]),
        "base": float(explained[BASE]),
        "factors": [_labelled(found) for found in factors],
    }


def _labelled(factor: "Factor") -> dict[str, Any]:
    """Join what the model says of a signal with what people call it."""
    signal = CATALOGUE.get(factor.signal)
    label = (signal.label, signal.label_zh) if signal else ("Other signals", "其他信号")
    return {**asdict(factor), "label": label[0], "label_zh": label[1]}


def _facts(settings: Settings, champion: "Champion", day: int) -> dict[str, Any]:
    facts = champion.bundle.facts
    return {
        "as_of": date_of(day).isoformat(),
        "currency": settings.currency,
        "horizon_days": facts["horizon_days"],
        "value_basis": facts["value_basis"],
        "discount_rate": settings.discount_rate,
        "model": {"name": champion.name, "version": champion.version},
    }


def _discount_factor(settings: Settings, champion: "Champion") -> float:
    from models.value.discounting import discount_factor

    return discount_factor(champion.bundle.facts["horizon_days"], settings.discount_rate)


def _stored_explainer(champion: "Champion") -> "Explainer | None":
    from models.value.explanation import Explainer

    state = champion.bundle.facts.get("explainer")
    return Explainer.from_state(champion.bundle.forecaster, state) if state else None


def _new_explainer(champion: "Champion", signals: pd.DataFrame) -> "Explainer":
    from models.value.explanation import Explainer, reference_of

    err.print(
        f"Note: version {champion.version} of the model does not say who is typical; that is told "
        f"from {len(signals):,} customers of the ledger.",
        highlight=False,
    )
    forecaster = champion.bundle.forecaster
    return Explainer(forecaster, reference_of(forecaster, signals))


def _company_signals(store: "Store", day: int) -> tuple[pd.DataFrame, int]:
    """Compute the signals of those who may be profiled, and count them all."""
    from features.engines.duckdb import compute_signals
    from training.panel import sampled

    ledger = _profiled(store.read_ledger())
    n_customers = len(pc.unique(ledger.order_lines["customer_id"]))
    if n_customers == 0:
        raise ExplanationError(
            "Every customer of the ledger has opted out of profiling, so there is nobody to "
            "explain."
        )
    return compute_signals(sampled(ledger, _MOST_CUSTOMERS), day), n_customers


def _profiled(ledger: Ledger) -> Ledger:
    opted_out = pa.array(ledger.opted_out, pa.string())
    return Ledger(
        {
            name: rows.filter(pc.invert(pc.is_in(rows["customer_id"], value_set=opted_out)))
            for name, rows in ledger.tables.items()
        }
    )


def _explain_company(settings: Settings, store: "Store", day: int, *, as_json: bool) -> None:
    from models.value.explanation import BASE, drivers

    champion = _champion(settings)
    signals, n_customers = _company_signals(store, day)
    explainer = _stored_explainer(champion) or _new_explainer(champion, signals)
    explained = explainer.explain(signals, factor=_discount_factor(settings, champion))
    found = drivers(explained).round(2).reset_index()
    base = float(explained[BASE].iloc[0])
    facts = {
        **_facts(settings, champion, day),
        "n_customers": n_customers,
        "n_explained": len(explained),
        "mean_clv": round(float(explained.sum(axis=1).mean()), 2),
        "base": round(base, 2),
    }
    if as_json:
        answer = facts | {"drivers": found.to_dict("records")}
        typer.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
        return
    _print_company(facts, found)


def _print_company(facts: Mapping[str, Any], found: pd.DataFrame) -> None:
    n_explained, n_customers = facts["n_explained"], facts["n_customers"]
    who = f"{n_explained:,} customers"
    if n_explained < n_customers:
        who = f"{n_explained:,} of {n_customers:,} customers, chosen by a hash of their ids"
    title = f"What drives expected value as of {facts['as_of']}: {who}"
    shown = found.head(_DRIVERS_SHOWN)
    labels = {name: signal.label for name, signal in CATALOGUE.items()}
    rows = shown.assign(signal=shown["signal"].map(labels).fillna(shown["signal"]))
    out.print(drivers_table(title, rows, facts["currency"]))
    out.print(
        f"A typical customer is worth {facts['base']:,.2f} {facts['currency']} in "
        f"{facts['horizon_days']} days, the mean customer {facts['mean_clv']:,.2f}.",
        highlight=False,
    )
    if len(found) > len(shown):
        out.print(f"{len(found) - len(shown)} more signals are in --json.", highlight=False)


def _print_answer(answer: Mapping[str, Any]) -> None:
    days, currency = answer["horizon_days"], answer["currency"]
    out.print(
        reports.facts_table(
            f"Customer {answer['customer_id']} as of {answer['as_of']}",
            {
                f"expected value in {days} days": f"{answer['clv']:,.2f} {currency}",
                f"expected purchases in {days} days": f"{answer['expected_purchases']:.2f}",
                "probability of no purchase in them": f"{answer['churn_probability']:.0%}",
                "probability of still being a customer": f"{answer['p_alive']:.0%}",
                "value counts": answer["value_basis"].replace("_", " "),
                "model": f"{answer['model']['name']} version {answer['model']['version']}",
            },
        )
    )
    rows = [
        (found["label"], found["amount"], found["value"], found["typical"], found["meaning"])
        for found in answer["factors"]
    ]
    table = factors_table(rows, base=answer["base"], expected=answer["clv"], currency=currency)
    out.print(table)

"""Real data sets from end to end: `worth ingest`, `worth check` and `worth signals` against pandas.

Each set, all rows of it, is a company with a worth.toml in `real_data/`; its files are made here.
"""

import json
import os
import re
import shutil
import sqlite3
import tomllib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from features.schema import TABLES
from features.signals.catalogue import CATALOGUE
from serving.store import SQLiteStore
from worth.cli import app

_CONFIGS = Path(__file__).parent / "real_data"
_YEAR = timedelta(days=365)
_EXPECTED = tomllib.loads((_CONFIGS / "expected.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Facts:
    """What pandas says of a company before Worth has seen it."""

    as_of: date
    files: dict[str, pd.DataFrame]
    signals: dict[str, pd.Series]  # by customer_id; the first is of all who bought
    rejected: dict[tuple[str, str], int] = field(default_factory=dict)  # by source and reason
    counts: dict[str, int] = field(default_factory=dict)  # what a check is to count


@dataclass(frozen=True)
class Company:
    """What the commands made of it."""

    name: str
    facts: Facts
    said: str
    ingests: pd.DataFrame
    report: dict[str, Any]
    signals: pd.DataFrame
    ledger: Mapping[str, pa.Table]


def _read(data: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(data / f"{name}.parquet")


def _adventureworks(data: Path) -> Facts:
    lines, products = _read(data, "sales"), _read(data, "products")
    for name in ("product_subcategories", "product_categories"):
        products = products.merge(_read(data, name))
    lines = lines.merge(products)
    as_of = lines["OrderDate"].max()
    margin = lines["OrderQuantity"] * (lines["ProductPrice"] - lines["ProductCost"])
    of = lines.assign(
        revenue=lines["OrderQuantity"] * lines["ProductPrice"],
        margin=margin,
        lately=margin.where(lines["OrderDate"] > as_of - _YEAR),
    ).groupby(lines["CustomerKey"].astype(str))
    signals = {
        "revenue": of["revenue"].sum(),
        "gross_margin": of["margin"].sum(),
        "gross_margin_365d": of["lately"].sum(),
        "gross_margin_rate": of["margin"].sum() / of["revenue"].sum(),
        "n_orders": of["OrderNumber"].nunique(),
        "n_categories": of["CategoryName"].nunique(),
    }
    return Facts(as_of, {"sales": lines, "customers": _read(data, "customers")}, signals)


def _superstore(data: Path) -> Facts:
    lines = _read(data, "superstore_orders_9994")
    counts = {"lines_repeated": int(lines.drop(columns="Row ID").duplicated().sum())}
    share, profit, as_of = lines["Discount"], lines["Profit"], lines["Order Date"].max()
    lines["discount_money"] = lines["Sales"] * share / (1 - share)
    of = lines.assign(
        lately=profit.where(lines["Order Date"] > as_of - _YEAR),
        lost=lines["Sales"].where(profit < 0),
        on_discount=lines["Sales"].where(share > 0),
    ).groupby("Customer ID")
    revenue, discount = of["Sales"].sum(), of["discount_money"].sum()
    signals = {
        "gross_margin": of["Profit"].sum(),
        "gross_margin_365d": of["lately"].sum(),
        "gross_margin_rate": of["Profit"].sum() / revenue,
        "loss_share": of["lost"].sum() / revenue,
        "discount_rate": discount / (discount + revenue),
        "on_discount_share": of["on_discount"].sum() / revenue,
        "n_orders": of["Order ID"].nunique(),
    }
    return Facts(as_of, {"orders": lines}, signals, counts=counts)


def _ibm_accounts_receivable(data: Path) -> Facts:
    invoices = _read(data, "accounts_receivable")
    of = invoices.assign(
        is_late=invoices["DaysLate"] > 0, is_disputed=invoices["Disputed"] == "Yes"
    ).groupby("customerID")
    signals = {
        "n_invoices": of.size(),
        "invoiced_amount": of["InvoiceAmount"].sum(),
        "payment_mean_days": of["DaysToSettle"].mean(),
        "late_mean_days": of["DaysLate"].mean(),
        "late_worst_days": of["DaysLate"].max(),
        "late_share": of["is_late"].mean(),
        "disputed_share": of["is_disputed"].mean(),
        "receivables": of.size() * 0,
    }
    return Facts(invoices["SettledDate"].max(), {"invoices": invoices}, signals)


def _cassandra_invoices(data: Path) -> Facts:
    invoices = _read(data, "invoices_train")
    days, amount = invoices["Number_of_Days_until_Payment"], invoices["Amount"]
    issued, due = (pd.to_datetime(invoices[name]) for name in ("Invoice_Date", "Due_Date"))
    invoices["invoice_number"] = [f"I{row}" for row in range(len(invoices))]
    invoices["payment_date"] = issued + pd.to_timedelta(days, unit="D")
    as_of = issued.max()
    # What came after the last invoice was unknown on its day.
    is_known = invoices["payment_date"] <= as_of
    is_settled = is_known & (invoices["Outstanding"] < 0.005)
    left = (amount - invoices["Settled"].where(is_known, 0)).where(~is_settled, 0)
    is_due = due < as_of
    late = (invoices["payment_date"].where(is_settled, as_of) - due).dt.days.clip(lower=0)
    taken = invoices.assign(
        left=left,
        overdue=left.where(due < as_of, 0),
        n_due=is_due,
        n_settled=is_settled & is_due,
        late=late.where(is_due),
        n_late=is_due & (late > 0),
        days=days.where(is_settled),
    )[days >= 0]
    of = taken.groupby("Vendor_Name")
    signals = {
        "n_orders": invoices.groupby("Vendor_Name").size(),
        "n_invoices": of.size(),
        "receivables": of["left"].sum(),
        "overdue_amount": of["overdue"].sum(),
        "payment_mean_days": of["days"].mean(),
        "late_mean_days": of["late"].mean(),
        "late_share": of["n_late"].sum() / of["n_due"].sum(),
        "paid_in_full_share": of["n_settled"].sum() / of["n_due"].sum(),
    }
    is_short = (invoices["Settled"] < 0.99 * amount) & (due < as_of - _YEAR) & (days >= 0)
    counts = {
        "long_unpaid": int(is_short.sum()),
        "revenue_outlier": int((amount > 1000 * amount.median()).sum()),
    }
    rejected = {("invoices", "settled_at is before issued_at"): int((days < 0).sum())}
    return Facts(as_of, {"invoices": invoices}, signals, rejected, counts)


def _ecommerce_churn(data: Path) -> Facts:
    as_of = pd.Timestamp("2021-01-31")  # made up: the set has no dates
    rows = _read(data, "ecommerce_churn").assign(snapshot_date=as_of)
    silence, tenure = rows["DaySinceLastOrder"], rows["Tenure"] * 30
    rows["last_order_date"] = as_of - pd.to_timedelta(silence, unit="D")
    rows["tenure_start"] = as_of - pd.to_timedelta(tenure, unit="D")
    complaints = rows[rows["Complain"] == 1].assign(month_start=as_of - timedelta(days=30))
    # Where the number of orders is missing there was one at least.
    n_orders = rows["OrderCount"].fillna(1).astype(int)
    orders = rows.loc[rows.index.repeat(n_orders)]
    orders = orders.assign(order_number=[f"O{n}" for n in range(len(orders))])
    buyers = rows.assign(n_orders=n_orders, tenure=np.fmax(tenure, silence))[silence.notna()]
    buyers = buyers.set_index(buyers["CustomerID"].astype(str))
    signals = {
        "n_orders": buyers["n_orders"],
        "days_since_last_purchase": buyers["DaySinceLastOrder"],
        "tenure_days": buyers["tenure"],
        "satisfaction_mean": (buyers["SatisfactionScore"] - 1) / 4,
        "n_complaints": buyers["Complain"],
    }
    undated = int(orders["last_order_date"].isna().sum())
    counts = {
        "rejected_rows": undated,
        "revenue_zero": len(orders) - undated,
        "complaints_without_topic": len(complaints),
        "acquired_late": int((tenure < silence).sum()),
        "few_repeaters": 0,
    }
    rejected = {("order_lines", "ordered_at is missing"): undated}
    files = {"orders": orders, "snapshot": rows, "complaints": complaints}
    return Facts(as_of, files, signals, rejected, counts)


def _olist_sample(data: Path) -> Facts:
    person, customers = "customer_unique_id", _read(data, "customers")
    orders = _read(data, "orders").merge(customers)
    # What was never delivered was never sold.
    sold = orders[~orders["order_status"].isin(["canceled", "unavailable"])]
    items = _read(data, "order_items").merge(sold).merge(_read(data, "products"), how="left")
    reviews = _read(data, "order_reviews").merge(orders[["order_id", person]])
    days = items["order_purchase_timestamp"].dt.normalize()
    as_of = days.max()
    # A review of two orders stands twice; the last row counts.
    answers = reviews.drop_duplicates("review_id", keep="last")
    answers = answers[answers["review_creation_date"] <= as_of]
    is_late = answers["review_creation_date"] > as_of - timedelta(days=180)
    score = (answers["review_score"] - 1) / 4
    scores = {"score": score, "lately": score.where(is_late), "before": score.where(~is_late)}
    said, bought = answers.assign(**scores).groupby(person), items.assign(day=days).groupby(person)
    signals = {
        "revenue": bought["price"].sum(),
        "n_orders": bought["order_id"].nunique(),
        "n_categories": bought["product_category_name"].nunique().replace(0, np.nan),
        "satisfaction_mean": said["score"].mean(),
        "satisfaction_trend": said["lately"].mean() - said["before"].mean(),
    }
    again = "replaced by a later row of the same"
    rejected = {
        ("reviews", f"{again} interaction_id"): len(reviews) - reviews["review_id"].nunique(),
        ("customers", f"{again} customer_id"): len(customers) - customers[person].nunique(),
    }
    # A unit of a product differs from the next in its number alone.
    n_units = int(items.duplicated(["order_id", "product_id", "price"]).sum())
    counts = {"few_repeaters": int((bought["day"].nunique() > 1).sum()), "lines_repeated": n_units}
    files = {"items": items, "reviews": reviews, "customers": customers}
    return Facts(as_of, files, signals, rejected, counts)


def _complete_journey(data: Path) -> Facts:
    departments = _read(data, "products")[["product_id", "department"]]
    lines = _read(data, "transactions_sample").merge(departments, how="left")
    lines["discount"] = lines[["retail_disc", "coupon_disc", "coupon_match_disc"]].sum(axis=1)
    contacts = _read(data, "campaigns").merge(_read(data, "campaign_descriptions"))
    responses, known = _read(data, "coupon_redemptions"), _read(data, "demographics")
    keys = ["household_id", "campaign_id"]
    # One contact a household and campaign.
    is_answered = contacts.set_index(keys).index.isin(responses.set_index(keys).index)
    # Without a unit nothing was bought.
    bought = lines[lines["quantity"] > 0]
    bought = bought.assign(cheap=bought["sales_value"].where(bought["discount"] > 0, 0))
    of = bought.groupby("household_id")[["sales_value", "cheap", "discount"]].sum()
    n_contacts = contacts.groupby("household_id").size()
    n_responses = responses.groupby("household_id").size()
    signals = {
        "on_discount_share": of["cheap"] / of["sales_value"],
        "discount_rate": of["discount"] / (of["discount"] + of["sales_value"]),
        "campaign_response_share": pd.Series(is_answered).groupby(contacts["household_id"]).mean(),
        "n_campaign_contacts": n_contacts,
        "n_campaign_responses": n_responses.reindex(n_contacts.index, fill_value=0),
    }
    counts = {"buyers_missing": len(set(lines["household_id"]) - set(known["household_id"]))}
    files = {"transactions": lines, "contacts": contacts, "responses": responses}
    files |= {"demographics": known}
    return Facts(lines["transaction_timestamp"].max(), files, signals, counts=counts)


_SETS: tuple[Callable[[Path], Facts], ...] = (
    *(_adventureworks, _superstore, _ibm_accounts_receivable, _cassandra_invoices),
    *(_ecommerce_churn, _olist_sample, _complete_journey),
)
_FACTS = {facts.__name__[1:]: facts for facts in _SETS}


def _sources(name: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((_CONFIGS / f"{name}.toml").read_text(encoding="utf-8"))["sources"]


def _worth(*arguments: object, may_end_with: int = 0) -> str:
    """Run a command, whatever the developer's shell says, and return what it said."""
    shell = CliRunner(env={name: None for name in os.environ if name.startswith("WORTH_")})
    ran = shell.invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert ran.exit_code in {0, may_end_with}, ran.output
    return ran.output


@pytest.fixture(scope="module", params=list(_FACTS))
def company(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Company:
    """One of the companies after ingest, check and signals."""
    facts = _FACTS[request.param](shared / request.param)
    folder = tmp_path_factory.mktemp(request.param)
    for file, frame in facts.files.items():
        frame.to_parquet(folder / f"{file}.parquet")
    config = shutil.copy(_CONFIGS / f"{request.param}.toml", folder / "worth.toml")
    report, out = folder / "report.json", folder / "signals.parquet"
    said = _worth("ingest", "--config", config)
    _worth("check", "--config", config, "--json", report, may_end_with=4)
    _worth("signals", "--config", config, "--as-of", f"{facts.as_of:%Y-%m-%d}", "--out", out)
    with closing(sqlite3.connect(folder / "home" / "worth.db")) as connection:
        ingests = pd.read_sql("SELECT * FROM ingests ORDER BY id", connection, index_col="source")
    return Company(
        name=request.param,
        facts=facts,
        said=said,
        ingests=ingests,
        report=json.loads(report.read_text(encoding="utf-8")),
        signals=pd.read_parquet(out).set_index("customer_id"),
        ledger=SQLiteStore.open(folder / "home" / "worth.db").read_ledger().tables,
    )


def test_every_row_read_is_clean_or_rejected(company: Company) -> None:
    facts, said, sources = company.facts, company.report["facts"], _sources(company.name)
    taken = {name: len(facts.files[Path(s["path"]).stem]) for name, s in sources.items()}
    assert company.ingests["n_read"].to_dict() == taken

    for (source, _), n_rejected in facts.rejected.items():
        taken[source] -= n_rejected
    assert company.ingests["n_new"].to_dict() == taken
    assert {(r["source"], r["reason"]): r["count"] for r in said["rejected"]} == facts.rejected

    in_table = dict.fromkeys(TABLES, 0)
    for name, source in sources.items():
        in_table[source.get("table", name)] += taken[name]
    in_table["payments"] = in_table["invoices"]  # each tells of the day it was paid
    assert said["rows"] == in_table


def test_ingest_prints_what_it_read_took_and_rejected(company: Company) -> None:
    printed = re.findall(r"(?:rows read|clean|rejected)[^\w\n]+([\d,]+)", company.said)
    counts = company.ingests.assign(clean=lambda n: n["n_read"] - n["n_rejected"])
    counts = counts[["n_read", "clean", "n_rejected"]]
    assert printed == [f"{count:,}" for count in counts.to_numpy().ravel()]


def test_check_finds_what_is_known_of_the_data_and_nothing_else(company: Company) -> None:
    findings, expected = company.report["findings"], _EXPECTED[company.name]["check"]
    found = [
        ("missing", finding["column"] or finding["table"])
        if finding["check"] in {"missing_table", "empty_column"}
        else (finding["level"], finding["check"])
        for finding in findings
    ]

    assert sorted(found) == sorted((level, what) for level in expected for what in expected[level])
    counts = {finding["check"]: finding["count"] for finding in findings}
    assert counts | company.facts.counts == counts


def test_signals_of_each_customer_are_what_pandas_computes(company: Company) -> None:
    found = company.signals[list(company.facts.signals)].sort_index()
    first = next(iter(company.facts.signals.values()))
    expected = pd.DataFrame(company.facts.signals).reindex(first.index).sort_index().astype(float)

    assert found.index.to_list() == expected.index.to_list()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(found.sum(), expected.sum(), rtol=1e-9)


@pytest.mark.parametrize("company", ["adventureworks"], indirect=True)
def test_attributes_of_customers_stay_the_numbers_they_are(company: Company) -> None:
    found = map(json.loads, company.ledger["customers"]["attributes"].to_pylist())
    income = company.facts.files["customers"]["AnnualIncome"]
    assert sum(attributes["AnnualIncome"] for attributes in found) == income.sum()


def test_only_signals_whose_columns_are_missing_are_null_for_everybody(company: Company) -> None:
    known = {
        column if name == "order_lines" else f"{name}.{column}"
        for name, rows in company.ledger.items()
        for column in rows.schema.names
        if rows[column].null_count < len(rows)
    }
    good_for = _EXPECTED[company.name]
    signals = {name: s for name, s in CATALOGUE.items() if s.family == good_for["family"]}
    lacking = {name for name, signal in signals.items() if not known.issuperset(signal.needs)}

    null = {name for name in signals if company.signals[name].isna().all()}
    assert null == lacking | set(good_for["silent"])


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_signals_straight_from_files_are_those_of_the_store(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.chdir(tmp_path)
    facts = _ibm_accounts_receivable(shared / "ibm_accounts_receivable")
    for file in ("orders.parquet", "invoices.parquet"):
        facts.files["invoices"].to_parquet(file)
    shutil.copy(_CONFIGS / "ibm_accounts_receivable.toml", "worth.toml")
    tables = _sources("ibm_accounts_receivable").items()
    mapping = [f"--map={t}.{f}={c}" for t, of in tables for f, c in of["columns"].items()]
    files = ("--orders", "orders.parquet", "--invoices", "invoices.parquet", "--engine", engine)

    _worth("ingest")
    _worth("signals", "--out", "store.parquet")
    _worth("signals", *files, *mapping, "--out", "files.parquet")

    store, found = pd.read_parquet("store.parquet"), pd.read_parquet("files.parquet")
    pd.testing.assert_frame_equal(found, store, rtol=1e-12)

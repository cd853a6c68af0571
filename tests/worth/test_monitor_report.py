import io
import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from features.ledger import Ledger, date_of
from training.monitoring import Forecast, Monitoring, monitor
from worth.monitor_report import (
    metrics_of,
    pictures_of,
    print_report,
    report_html,
    report_json,
)

NASTY = "<script>alert('[red]x[/red]')</script>"


def _forecast(ledger: Ledger, *, days_ago: int, has_intervals: bool) -> Forecast:
    """A forecast of ninety days for everyone, higher for who bought much lately."""
    ids = np.unique(ledger.order_lines["customer_id"].to_numpy(zero_copy_only=False).astype(str))
    value = np.random.default_rng(0).gamma(0.5, 30.0, size=len(ids))
    scores = pd.DataFrame(
        {
            "expected_purchases": value / 30,
            "p_alive": 0.5,
            "churn_probability": 1 / (1 + value / 20),
            "clv_expected": value,
            "clv_lower": 0.0 if has_intervals else np.nan,
            "clv_upper": 2 * value if has_intervals else np.nan,
            "days_since_last_purchase": 30,
            "tier": np.where(value > 20, "A", NASTY),
        },
        index=pd.Index(ids, dtype="str", name="customer_id"),
    )
    return Forecast(ledger.last_day - days_ago, 90, "revenue", 0.1, scores)


@pytest.fixture(scope="session")
def found(cdnow: Ledger) -> Monitoring:
    return monitor(cdnow, _forecast(cdnow, days_ago=100, has_intervals=True))


@pytest.fixture(scope="session")
def running(cdnow: Ledger) -> Monitoring:
    return monitor(cdnow, _forecast(cdnow, days_ago=45, has_intervals=False))


@pytest.fixture(scope="session")
def nobody(cdnow: Ledger) -> Monitoring:
    forecast = _forecast(cdnow, days_ago=100, has_intervals=True)
    return monitor(cdnow, replace(forecast, scores=forecast.scores.head(0)))


class Page(HTMLParser):
    """Collects what a page holds, and that every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _printed(monitoring: Monitoring) -> str:
    file = io.StringIO()
    print_report(monitoring, NASTY, "USD", Console(file=file, width=200))
    return file.getvalue()


def _html(monitoring: Monitoring) -> str:
    return report_html(monitoring, NASTY, "USD", pictures_of(monitoring, "USD"))


class TestConsole:
    def test_shows_figures_groups_drift_and_verdict(self, found: Monitoring) -> None:
        text = _printed(found)
        for part in (
            f"as of {date_of(found.forecast.as_of)} by",
            "90 of 90 days",
            "value: normalised Gini",
            "10 (highest)",
            "days_since_last_purchase",
            "values within their 80% interval",
            *found.verdict.reasons,
        ):
            assert part in text

    def test_takes_nothing_of_the_data_for_markup(self, found: Monitoring) -> None:
        assert "[red]x[/red]" in _printed(found)

    def test_says_what_limits_the_comparison(self, running: Monitoring) -> None:
        assert "Note: 45 of 90 days have passed" in _printed(running)
        assert "interval " not in _printed(running)

    def test_of_nobody(self, nobody: Monitoring) -> None:
        assert "too little to judge by" in _printed(nobody)


class TestJson:
    def test_has_stable_keys(self, found: Monitoring) -> None:
        content = json.loads(report_json(found, "worth version 1", "USD"))
        assert [*content] == [
            *("as_of", "until", "last_day", "horizon_days", "days_seen", "is_complete", "model"),
            *("currency", "value_basis", "n_customers", "figures", "total_ratio", "churn_line"),
            *("coverage", "by_tier", "by_decile", "newcomers", "drift", "remarks", "verdict"),
        ]
        assert [*content["figures"]] == ["model", "naive"]
        assert content["total_ratio"]["lower"] < content["total_ratio"]["upper"]
        assert [*content["by_tier"][0]] == [
            *("tier", "n_customers", "mean_predicted", "mean_actual", "ratio"),
        ]
        assert [*content["drift"][0]] == ["signal", "psi", "by_chance"]
        assert sum(row["n_customers"] for row in content["by_decile"]) == content["n_customers"]

    def test_what_could_not_be_taken_is_null(self, nobody: Monitoring) -> None:
        content = json.loads(report_json(nobody, "m", "USD"), parse_constant=pytest.fail)
        assert content["figures"]["model"]["value_gini"] is None
        assert content["coverage"] is None


class TestHtml:
    def test_is_well_formed_and_loads_nothing(self, found: Monitoring) -> None:
        html = _html(found)
        page = Page(html)
        assert not page.open
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"script", "link", "iframe", "object", "form", "a"}
        sources = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
        assert len(sources) == 5
        assert all(source and source.startswith("data:image/png;base64,") for source in sources)
        assert not any("href" in attributes for _, attributes in page.tags)
        assert "url(" not in html
        assert "@import" not in html

    def test_escapes_the_data(self, found: Monitoring) -> None:
        html = _html(found)
        assert NASTY not in html
        assert NASTY in "".join(Page(html).texts)

    def test_says_what_its_tables_and_pictures_are(self, found: Monitoring) -> None:
        page = Page(_html(found))
        ids = {attributes.get("id") for _, attributes in page.tags}
        tables = [attributes for tag, attributes in page.tags if tag == "table"]
        assert {table["aria-labelledby"] for table in tables} <= ids
        heads = [attributes for tag, attributes in page.tags if tag == "th"]
        assert all(head.get("scope") in {"row", "col"} for head in heads)
        assert all(attributes["alt"] for tag, attributes in page.tags if tag == "img")

    def test_without_intervals_there_is_no_picture_of_them(self, running: Monitoring) -> None:
        assert 'id="coverage"' not in _html(running)

    def test_of_nobody(self, nobody: Monitoring) -> None:
        assert "Nobody was scored" in _html(nobody)


def test_metrics_name_those_of_the_baseline(found: Monitoring) -> None:
    metrics = metrics_of(found)
    assert metrics["naive_value_gini"] == found.figures["naive"]["value_gini"]
    assert metrics["coverage_inside"] == found.coverage["inside"]
    assert metrics["psi_largest"] >= 0

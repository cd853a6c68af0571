"""The same twenty signals by Worth's SQL and by straightforward pandas: one process each.

Worth writes them into a file and reads them back, pandas only holds them.

`python -m benchmarks.twenty_signals worth|pandas|compare FOLDER`; `compare` holds one against the
other.
"""

import sys
import tempfile
from pathlib import Path

import pandas as pd

from features.engines.duckdb import write_signals

TWENTY = [
    "frequency", "recency", "T", "monetary_value", "days_since_last_purchase", "n_purchase_days",
    "purchase_revenue", "largest_purchase_revenue", "revenue", "revenue_30d", "revenue_90d",
    "revenue_180d", "revenue_365d", "gap_mean_days", "gap_longest_days", "n_orders",
    "basket_revenue", "n_products", "n_categories", "gross_margin",
]  # fmt: skip


def by_worth(folder: Path) -> pd.DataFrame:
    """Compute them with DuckDB; what is not asked for is not computed."""
    with tempfile.TemporaryDirectory(prefix="worth-bench-") as name:
        file = Path(name) / "signals.parquet"
        write_signals(folder, file, names=TWENTY)
        return pd.read_parquet(file).set_index("customer_id")


def by_pandas(folder: Path) -> pd.DataFrame:
    """Compute them as an analyst would write it down."""
    columns = ["customer_id", "day", "order_id", "revenue", "quantity", "cost"]
    lines = pd.read_parquet(
        folder / "order_lines.parquet", columns=[*columns, "product_id", "category"]
    )
    as_of = lines["day"].max()
    bought = lines[(lines["revenue"] >= 0) & (lines["quantity"].fillna(1) > 0)]
    days = bought.groupby(["customer_id", "day"], as_index=False)["revenue"].sum()
    days = days.sort_values(["customer_id", "day"])
    days["gap"] = days.groupby("customer_id")["day"].diff()
    by_day = days.groupby("customer_id")
    signals = pd.DataFrame(
        {
            "n_purchase_days": by_day.size(),
            "first": by_day["day"].min(),
            "last": by_day["day"].max(),
            "purchase_revenue": by_day["revenue"].sum(),
            "largest_purchase_revenue": by_day["revenue"].max(),
            "monetary_value": days[days["gap"].notna()].groupby("customer_id")["revenue"].mean(),
            "gap_mean_days": by_day["gap"].mean(),
            "gap_longest_days": by_day["gap"].max(),
        }
    )
    signals["frequency"] = signals["n_purchase_days"] - 1
    signals["recency"] = signals["last"] - signals["first"]
    signals["T"] = as_of - signals["first"]
    signals["days_since_last_purchase"] = as_of - signals["last"]
    signals["revenue"] = lines.groupby("customer_id")["revenue"].sum()
    for window in (30, 90, 180, 365):
        late = lines[lines["day"] > as_of - window].groupby("customer_id")["revenue"].sum()
        signals[f"revenue_{window}d"] = late.reindex(signals.index, fill_value=0.0)
    by_customer = bought.groupby("customer_id")
    signals["n_orders"] = by_customer["order_id"].nunique()
    signals["basket_revenue"] = by_customer["revenue"].sum() / signals["n_orders"]
    signals["n_products"] = by_customer["product_id"].nunique()
    signals["n_categories"] = by_customer["category"].nunique()
    margin = (lines["revenue"] - lines["cost"]).groupby(lines["customer_id"])
    signals["gross_margin"] = margin.sum(min_count=1)
    return signals[TWENTY]


def main() -> None:
    """Compute them one way, or both and compare."""
    _, way, folder = sys.argv
    if way == "compare":
        one, other = by_worth(Path(folder)), by_pandas(Path(folder))
        one, other = (f.sort_index().astype("float64") for f in (one, other))
        other.index = other.index.astype(one.index.dtype)
        pd.testing.assert_frame_equal(one, other, check_names=False)
        print(f"{len(one):,} customers agree")
    else:
        print(len({"worth": by_worth, "pandas": by_pandas}[way](Path(folder))))


if __name__ == "__main__":
    main()

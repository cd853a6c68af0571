# %% [markdown]
# # Who comes back, and does looking further ahead change the answer?
#
# Of the CDNOW customers about one in six is expected to buy again within a quarter, and a little
# more than one in five within half a year. Looking twice as far raises almost everyone's value, but
# hardly changes who is best: some 170 of the 200 best customers are the same.

# %%
import os
import tempfile
from datetime import date
from pathlib import Path

import matplotlib.pyplot as plt
import mlflow
import pandas as pd

from features.cleaning import FIELDS, clean
from features.engines.duckdb import compute_signals
from features.ledger import Ledger, date_of, day_of
from features.sources import read
from training.tracking import Tracking
from training.train import train
from worth.demo import DEMO_SOURCE

# %% [markdown]
# ## The ledger
# The demo's: every purchase of 2,357 customers who first bought in early 1997.

# %%
raw = read(DEMO_SOURCE, name="cdnow", fields=list(FIELDS["order_lines"]))
cleaned = clean(raw, DEMO_SOURCE)
ledger = Ledger({"order_lines": cleaned.rows})
print(
    f"{cleaned.n_read:,} rows, {len(cleaned.rejected)} rejected, {ledger.n_customers:,} customers"
)
print(f"{date_of(ledger.first_day)} to {date_of(ledger.last_day)}")

# %% [markdown]
# ## What it says of the customers
# Most bought once and fell silent; the customer's own rhythm says who is late.

# %%
as_of = day_of(date(1998, 3, 31))
signals = compute_signals(ledger, as_of)
print(signals["lifecycle"].value_counts().to_string())
print(signals[["frequency", "days_since_last_purchase", "revenue"]].describe().round(1).to_string())

# %% [markdown]
# ## Two models, a quarter and half a year ahead
# Each is a run in MLflow with its figures; the worse candidates are its children.

# %%
home = Path(os.environ.get("WORTH_HOME") or tempfile.mkdtemp()) / "notebook"
home.mkdir(parents=True, exist_ok=True)
tracking = Tracking(f"sqlite:///{(home / 'mlflow.db').absolute()}", home / "mlflow-artifacts")
trained = {
    days: train(ledger, tracking, as_of=as_of, horizon_days=days, currency="USD")
    for days in (90, 180)
}

# %% [markdown]
# ## The runs side by side, as MLflow kept them

# %%
client = mlflow.MlflowClient(tracking.uri)
runs = {days: client.get_run(result.run_id).data for days, result in trained.items()}
figures = ["value_tweedie", "value_gini", "purchases_mae", "churn_auc", "churn_brier"]
print(
    pd.DataFrame(
        {
            f"{days} days": {"winner": run.params["winner"]}
            | {name: round(run.metrics[name], 3) for name in figures}
            for days, run in runs.items()
        }
    ).to_string()
)

# %% [markdown]
# ## The difference

# %%
forecasts = {
    days: result.fitted.bundle.forecast(result.fitted.signals) for days, result in trained.items()
}
for days, forecast in forecasts.items():
    back = 1 - forecast["churn_probability"].mean()
    print(f"expected to buy within {days} days: {back:.0%} of all customers")
best = {days: set(f["expected_value"].nlargest(200).index) for days, f in forecasts.items()}
print(f"{len(best[90] & best[180])} of the 200 best are the same at both horizons")

# %%
figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
axes.scatter(forecasts[90]["expected_value"], forecasts[180]["expected_value"], s=8, alpha=0.4)
largest = float(forecasts[180]["expected_value"].max())
axes.plot([0, largest], [0, largest], color="grey", linestyle=":", label="no change")
axes.set(
    title="Expected value by horizon",
    xlabel="within 90 days, USD",
    ylabel="within 180 days, USD",
    xscale="symlog",
    yscale="symlog",
)
axes.legend()
figure.savefig(home / "who_comes_back.png")
print(f"picture: {home / 'who_comes_back.png'}")

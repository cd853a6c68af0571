import pandas as pd

from training.pictures import draw_calibration

OUTCOMES = pd.DataFrame({"value": [float(i) for i in range(20)]})
FORECAST = pd.DataFrame({"expected_value": [float(i) + 1 for i in range(20)]})


def test_bars_are_the_means_of_tenths_lowest_predictions_first() -> None:
    axes = draw_calibration(FORECAST[::-1], OUTCOMES[::-1], currency="EUR").axes[0]
    predicted, actual = axes.containers
    assert [bar.get_height() for bar in predicted] == [1.5 + 2 * i for i in range(10)]
    assert [bar.get_height() for bar in actual] == [0.5 + 2 * i for i in range(10)]
    assert [predicted.get_label(), actual.get_label()] == ["predicted", "actual"]


def test_says_the_currency_and_how_many_customers() -> None:
    axes = draw_calibration(FORECAST, OUTCOMES, currency="US$").axes[0]
    assert axes.get_ylabel() == r"mean value per customer, US\$"
    assert axes.get_title(loc="left") == "20 customers in tenths by predicted value"


def test_the_title_gives_both_errors() -> None:
    title = draw_calibration(FORECAST, OUTCOMES, currency="EUR").get_suptitle()
    assert title.startswith("The forecast is 11% too high in total, and ")
    right = draw_calibration(OUTCOMES.set_axis(["expected_value"], axis=1), OUTCOMES, currency="€")
    assert right.get_suptitle() == "The forecast is right in total, and 0% off in the average tenth"


def test_customers_without_a_figure_are_left_out() -> None:
    forecast = FORECAST.replace(1.0, float("nan"))
    axes = draw_calibration(forecast, OUTCOMES, currency="EUR").axes[0]
    assert axes.get_title(loc="left").startswith("19 customers")

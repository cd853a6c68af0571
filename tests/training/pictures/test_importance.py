import pandas as pd
from matplotlib.colors import to_rgba

from training.pictures import draw_importance
from training.pictures.style import ALARM, PREDICTED


def test_bars_are_contributions_with_the_largest_on_top() -> None:
    axes = draw_importance({"a": 1.0, "b": -20.25, "c": 3.0}, currency="EUR").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c", "a"]
    assert [bar.get_width() for bar in axes.containers[0]] == [-20.25, 3.0, 1.0]
    assert [text.get_text() for text in axes.texts] == ["−20.2", "+3.0", "+1.0"]
    assert axes.yaxis_inverted()


def test_what_takes_from_the_forecast_has_another_colour() -> None:
    bars = draw_importance({"a": 1.0, "b": -2.0}).axes[0].containers[0]
    assert [bar.get_facecolor() for bar in bars] == [to_rgba(ALARM), to_rgba(PREDICTED)]


def test_at_most_twenty_are_drawn_and_the_rest_is_owned_to() -> None:
    axes = draw_importance(pd.Series({f"signal_{i}": float(i) for i in range(33)})).axes[0]
    assert len(axes.containers[0]) == 20
    assert axes.get_title(loc="left") == "The 20 largest contributions of 33 signals"


def test_the_currency_stands_where_it_is_given() -> None:
    named = draw_importance({"frequency": 1_234.0}, currency="EUR")
    assert named.get_suptitle() == "frequency counts most: 1,234 EUR"
    assert named.axes[0].get_xlabel() == "contribution to expected value, EUR"
    assert draw_importance({"a": 1.0}).axes[0].get_xlabel() == "contribution to expected value"


def test_a_name_is_not_read_as_a_formula() -> None:
    axes = draw_importance({"$a$": 1.0}).axes[0]
    assert axes.get_yticklabels()[0].get_text() == r"\$a\$"

import numpy as np
import pytest
from matplotlib.dates import date2num

from training.pictures import draw_tracking

NAN = float("nan")
DAYS, ACTUAL, EXPECTED = [7, 14, 21], [9.0, 5.0, 5.0], [8.0, 6.0, 3.0]


def test_lines_are_purchases_by_the_week_and_in_all() -> None:
    upper, lower = draw_tracking(DAYS, ACTUAL, EXPECTED, split_day=10).axes
    assert [line.get_label() for line in lower.lines] == [
        "actual", "expected", "last day learned from",
    ]  # fmt: skip
    assert [list(line.get_ydata()) for line in lower.lines[:2]] == [ACTUAL, EXPECTED]
    assert [list(line.get_ydata()) for line in upper.lines[:2]] == [[9, 14, 19], [8, 14, 17]]


def test_a_line_stands_where_the_model_stopped_learning() -> None:
    for axes in draw_tracking(DAYS, ACTUAL, EXPECTED, split_day=10).axes:
        at = np.asarray(axes.lines[2].get_xdata(), dtype="datetime64[D]")
        assert date2num(at) == pytest.approx([10, 10])


def test_the_title_judges_only_what_came_after() -> None:
    title = draw_tracking(DAYS, ACTUAL, EXPECTED, split_day=10).get_suptitle()
    assert title == "In the 2 weeks after 1970-01-11, the forecast was 10% too low"
    seen = draw_tracking(DAYS, ACTUAL, EXPECTED, split_day=21).get_suptitle()
    assert seen == "No week after 1970-01-22 is over yet"


def test_weeks_may_come_in_any_order_and_lie_ahead() -> None:
    figure = draw_tracking([21, 7, 14], [NAN, 9, 5], [3, 8, 6], split_day=7)
    actual, expected = figure.axes[0].lines[:2]
    assert actual.get_ydata() == pytest.approx([9, 14, NAN], nan_ok=True)
    assert list(expected.get_ydata()) == [8, 14, 17]
    assert figure.get_suptitle() == "After 1970-01-08, the forecast was 20% too high"

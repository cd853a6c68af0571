import pytest
from matplotlib.colors import to_rgba

from training.pictures import draw_drift
from training.pictures.style import ALARM, CAUTION, PREDICTED


def test_bars_are_coloured_by_the_usual_marks() -> None:
    axes = draw_drift({"a": 0.02, "b": 0.1, "c": 0.25}).axes[0]
    bars = axes.containers[0]
    assert [bar.get_width() for bar in bars] == [0.25, 0.1, 0.02]
    assert [bar.get_facecolor() for bar in bars] == list(map(to_rgba, (ALARM, CAUTION, PREDICTED)))
    assert {0.1, 0.25} <= {line.get_xdata()[0] for line in axes.lines}


def test_the_marks_are_named() -> None:
    names = [text.get_text() for text in draw_drift({"a": 0.02}).legends[0].get_texts()]
    assert names == ["some drift, from 0.1", "much drift, from 0.25"]


def test_an_infinite_index_is_drawn_as_the_worst() -> None:
    axes = draw_drift({"a": 0.02, "b": float("inf"), "c": float("nan")}).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]
    assert axes.texts[0].get_text() == "∞"
    assert axes.containers[0][0].get_width() > 0.25


@pytest.mark.parametrize(
    ("psi", "title"),
    [
        ({"a": 0.3, "b": 0.5}, "2 of 2 signals have drifted much, most of all b (PSI 0.50)"),
        ({"a": 0.3, "b": 0.2}, "1 of 2 signals has drifted much, most of all a (PSI 0.30)"),
        ({"a": 0.12, "b": 0.01}, "1 of 2 signals has drifted somewhat, most of all a (PSI 0.12)"),
        ({"a": 0.05}, "No signal has drifted, not even a (PSI 0.05)"),
    ],
)
def test_the_title_says_how_many_drifted(psi: dict[str, float], title: str) -> None:
    assert draw_drift(psi).get_suptitle().replace("\n", " ") == title

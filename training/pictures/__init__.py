"""Pictures of a forecast held against what came, and of a model: one look instead of ten figures.

A picture takes plain arrays or tables and gives a Figure, which belongs to nobody else: a training
run logs it, a notebook shows it. It bears what it cannot show, such as a single customer or none.
"""

from training.pictures.calibration import draw_calibration
from training.pictures.coverage import draw_coverage
from training.pictures.drift import draw_drift
from training.pictures.frequency_recency import draw_frequency_recency
from training.pictures.gain_curve import draw_gain_curve
from training.pictures.importance import draw_importance
from training.pictures.reliability import draw_reliability
from training.pictures.tracking_plot import draw_tracking

__all__ = [
    "draw_calibration",
    "draw_coverage",
    "draw_drift",
    "draw_frequency_recency",
    "draw_gain_curve",
    "draw_importance",
    "draw_reliability",
    "draw_tracking",
]

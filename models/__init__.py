"""Estimators: arrays in, numbers out. No clock, no MLflow, no web."""

"""Scores, metrics and their confidence intervals."""

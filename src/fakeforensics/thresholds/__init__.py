"""Selecting, transferring and judging decision thresholds."""

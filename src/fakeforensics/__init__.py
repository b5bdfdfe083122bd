"""Detects image forgeries made by unseen methods, by semi-supervised anomaly detection."""

__version__ = "0.1.0"

"""The score table's format, and everything that is computed from score tables."""

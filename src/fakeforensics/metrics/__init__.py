"""The format of score tables, and everything that is computed from score tables."""

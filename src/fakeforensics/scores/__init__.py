"""The score table's format, and what follows from scores and labels alone: pure functions over arrays."""

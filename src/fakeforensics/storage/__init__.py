"""Shards and their index: the only place that knows the format on disk."""

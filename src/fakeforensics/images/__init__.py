"""Shards of images and their index: the only room that knows the format on disk."""

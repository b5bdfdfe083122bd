"""Detect, track, find landmarks and align; nothing here knows about data sets or DVC."""

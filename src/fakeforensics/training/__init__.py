"""Augmentation, the centre, the Lightning module and the run."""

"""Training a detector: augmentation, batches, the loop, and the run from settings to a saved model."""

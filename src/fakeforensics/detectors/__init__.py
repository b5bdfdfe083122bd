"""One module per detector, beside its equations; nothing else."""

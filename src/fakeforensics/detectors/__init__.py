"""One module per detector, with its equations; nothing else."""

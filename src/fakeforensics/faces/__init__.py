"""Makes aligned face crops from raw videos and images. It does not depend on data sets or DVC."""

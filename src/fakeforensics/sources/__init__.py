"""Where images come from: one file per data set layout, each yields the same record."""

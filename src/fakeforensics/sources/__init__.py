"""Where images come from: one module per data set, found by the name that params.yaml calls `layout`."""

"""The case folder: a prediction with all that is needed to check it and to explain it."""

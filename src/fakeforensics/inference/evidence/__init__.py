"""The case folder: a prediction with everything that is needed to check and explain it."""

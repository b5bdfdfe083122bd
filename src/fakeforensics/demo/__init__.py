"""The embedded demo: synthetic data in the real data sets' layouts, made on the user's machine."""

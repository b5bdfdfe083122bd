"""The embedded demo data set, made on the user's machine."""

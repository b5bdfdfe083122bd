"""Backbone f, classifier l and centre c; saving and loading a detector."""

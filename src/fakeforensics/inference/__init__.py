"""Using a trained detector: predict, explain, serve, export."""

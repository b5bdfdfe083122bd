"""Using a trained detector: predict, explain, serve, export."""

# Modules that the server process imports before it forks the processes that find faces.
EXTRACTION = ("fakeforensics.inference.crops", "fakeforensics.faces.preloaded")

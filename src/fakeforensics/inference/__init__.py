"""Using a trained detector: predict, explain, serve, export."""

# What the server of the processes that find faces imports before it forks them.
EXTRACTION = ("fakeforensics.inference.crops", "fakeforensics.faces.preloaded")

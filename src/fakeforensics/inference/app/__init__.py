"""The web page: drop a file, see the verdict and where it comes from."""

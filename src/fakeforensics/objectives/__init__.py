"""The losses of the thesis, one file each."""

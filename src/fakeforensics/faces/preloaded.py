"""Importing this makes dlib's face detector, in the server that forks workers: once for all of them."""

from fakeforensics.faces.detect import frontal_detector

frontal_detector()

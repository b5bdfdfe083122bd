"""Makes dlib's face detector when it is imported: the server that forks workers imports it once for all."""

from fakeforensics.faces.detect import frontal_detector

frontal_detector()

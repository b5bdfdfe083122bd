"""Checks the shapes and types in the signatures of the rooms that compute, while tests run."""

import os

# Threads that wait for one another on a busy machine cost tiny networks most of their time. Libraries read
# these once, when they are loaded; the processes that tests start inherit them.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENCV_FOR_THREADS_NUM"] = "1"

import hypothesis
from jaxtyping import install_import_hook

import tests.shapes  # noqa: F401  the hook names it, and imports `tests` alone
from fakeforensics.devices import has_gpu

ROOMS = (
    "detectors",
    "models",
    "training",
    "metrics",
    "scoring",
    "thresholds",
    "images.codec",
    "images.transforms",
    "inference",
    "faces.align",
    "faces.detect",
    "reporting.gallery",
)

# torch.compile, by which a GPU trains, cannot look through the checks, and would leave out what they guard.
if not has_gpu():
    install_import_hook([f"fakeforensics.{room}" for room in ROOMS], "tests.shapes.checked")

# No test has a stopwatch: a busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

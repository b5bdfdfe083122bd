"""Checks the shapes and types in the signatures of the rooms that compute, while tests run."""

from jaxtyping import install_import_hook

import tests.shapes  # noqa: F401  the hook names it, and imports `tests` alone

install_import_hook(
    [
        f"fakeforensics.{room}"
        for room in (
            "objectives",
            "models",
            "training",
            "scores",
            "evaluation",
            "thresholds",
            "storage.images",
            "storage.png",
            "inference",
            "faces.align",
            "faces.geometry",
            "reporting.thumbnails",
        )
    ],
    "tests.shapes.checked",
)

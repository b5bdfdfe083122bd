"""What reads files from outside, as the product calls it.

Each gives "read" or "refused"; any other exception than the reader's own is a fault.
"""

from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.faces.video import UnreadableError


def read_image(path: Path) -> str:
    """Read a still image as `faces` does."""
    from fakeforensics.faces.still import read_still

    try:
        _ = read_still(path).frame.rgb
    except UnreadableError:
        return "refused"
    return "read"


def check_image(path: Path) -> str:
    """Look at a raw image as `fakeforensics check` does."""
    from fakeforensics.sources.check import _look_at_image

    return "refused" if _look_at_image(path, deep=True)[2] else "read"


def read_clip(path: Path) -> str:
    """Read a few frames of a clip as `faces` does."""
    from fakeforensics.faces.video import Frame, open_clip, spread_frames

    try:
        with open_clip(path) as clip:
            frames = list(clip.frames(spread_frames(clip.count, 4)))
            for frame in frames:
                if isinstance(frame, Frame):
                    _ = frame.rgb
    except UnreadableError:
        return "refused"
    return "read"


def read_csv(path: Path) -> str:
    """Read scores as `fakeforensics evaluate` does."""
    from fakeforensics.score_file import read_score_file

    try:
        read_score_file(path)
    except UserError:
        return "refused"
    return "read"


def read_protocol(path: Path) -> str:
    """Read a protocol as `splits` does."""
    from fakeforensics.splits.protocol import load_protocol

    try:
        load_protocol(path.stem, path.parent)
    except UserError:
        return "refused"
    return "read"


def read_model_card(path: Path) -> str:
    """Read a model's card, with what `predict` and `models` take from it."""
    from fakeforensics.inference.package import Package
    from fakeforensics.models.card import seen, trained_on

    package = Package(path.parent)
    try:
        seen(package.raw_card)
        trained_on(package.raw_card)
        _ = (package.name, package.scores, package.crop, package.faces, package.preprocess)
        package.training_images()
    except UserError:
        return "refused"
    return "read"

"""What worker processes run in tests of what becomes of them: they import this module, not the tests."""

import os

from fakeforensics.errors import UserError
from fakeforensics.inference.crops import ExtractionSettings, FileCrops
from fakeforensics.inference.inputs import Item


def extract_or_die(settings: ExtractionSettings, item: Item, views: int = 0) -> FileCrops:
    """File names say what becomes of the process."""
    if item.path.stem == "kills":
        os._exit(1)
    if item.path.stem == "large":
        raise MemoryError
    return FileCrops(item.path, (), f"extracted {item.path.name}")


def refuse(settings: ExtractionSettings) -> None:
    """A process that cannot prepare its work."""
    raise UserError("no landmark model", fix="install it")

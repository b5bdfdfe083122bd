"""Taking over a detector that another protocol has trained from the same settings and images."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_path, sha256_file, write_json
from fakeforensics.models.card import CARD, WEIGHTS, read_card

log = logging.getLogger(__name__)

FINGERPRINT = "fingerprint"  # in model.json
HISTORY = "history.csv"


def find_finished(models: Path, run: str, fingerprint: str, own: Path) -> Path | None:
    """A finished model of the same fingerprint, of whichever protocol.

    Args:
        models: The folder of all protocols' models.
        run: Its place below a protocol's folder: the detector, in the pilot study with `/n<n>`.
        fingerprint: What decides the weights: `training.scratch.fingerprint`.
        own: Where the model that is looked for will lie; what lies there now does not count.

    Returns:
        Its folder, or None if there is no such model, or none whose weights are those that its card names.
    """
    for path in sorted(models.glob(f"*/{run}".rstrip("/") + f"/{CARD}")):
        folder = path.parent
        if folder == own:
            continue
        try:
            card = read_card(folder)
        except UserError as error:
            log.warning("passed over: %s", error)
            continue
        if card.get(FINGERPRINT) == fingerprint and _is_whole(folder, card["weights_sha256"]):
            return folder
    return None


def take_over(finished: Path, model: Path, plot: Path, protocol: str) -> None:
    """Copy a finished model and its learning curves; its card gets the name of this protocol.

    Args:
        finished: From `find_finished`.
        model: Gets `model.safetensors`, `model.json` and `history.csv`.
        plot: The CSV of the learning curves.
        protocol: Whose model it becomes.
    """
    log.info("%s was trained from the same settings and images: it is used again for %s", finished, protocol)
    for source, target in (
        (finished / WEIGHTS, model / WEIGHTS),
        (finished / HISTORY, model / HISTORY),
        (finished / HISTORY, plot),
    ):
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    write_json(model / CARD, read_card(finished) | {"protocol": protocol})


def _is_whole(folder: Path, weights_sha256: str) -> bool:
    weights = folder / WEIGHTS
    return (folder / HISTORY).is_file() and weights.is_file() and sha256_file(weights) == weights_sha256

import hashlib
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from fakeforensics.images.index import INDEX_COLUMNS

Rows = Callable[..., pd.DataFrame]


def row(source: str, path: str, **values: Any) -> dict[str, Any]:
    """One index row; what a test does not name gets a harmless value of its own."""
    key = f"{source}/{path}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    full = {
        "key": key,
        "shard": "shard-00000.tar",
        "offset": 512,
        "size": 10,
        "sha256": digest,
        "source": source,
        "method": "real",
        "domain": "faces",
        "group": f"{source}/{path}",
        "own_split": "",
        "identities": "",
        "instance": "",
        "video": "",
        "frame": -1,
        "track": 0,
        "bridged": False,
        "box": [],
        "landmarks": [],
        "detector_score": 1.0,
        "raw_path": path,
        "raw_sha256": f"raw{digest}",
        "raw_format": "PNG",
        "raw_width": 128,
        "raw_height": 128,
        "jpeg_quality": -1,
        "chroma_sampling": "",
        "raw_profile": "",
        "raw_transfer": "",
        "raw_primaries": "",
        "raw_pixel_aspect": "1:1",
        "raw_frame_rate": 0.0,
        "raw_frames": 1,
    } | values
    return {"label": 0 if full["method"] == "real" else 1} | full


def index(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    return frame[[*(name for name in INDEX_COLUMNS if name in frame)]].assign(
        instance=frame["instance"], label=frame["label"].astype("int8")
    )


@pytest.fixture
def stills() -> Rows:
    """Builds stills of several methods: stills("s", {"real": 4, "stylegan": 2}, own_split="train")."""

    def build(source: str, methods: dict[str, int], prefix: str = "", **values: Any) -> pd.DataFrame:
        return index(
            [
                row(source, f"{prefix}{method}/{number:04d}.png", method=method, **values)
                for method, count in methods.items()
                for number in range(count)
            ]
        )

    return build

"""The one record that every data set layout yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["", "train", "val", "test"]


@dataclass(frozen=True, slots=True)
class RawFile:
    """One image or video on disk, with what the data set says about it.

    Args:
        path: Posix path relative to the source's root. Bytes that are not UTF-8 stay surrogate escapes.
        kind: Whether the file holds one picture or many frames.
        method: The forgery method; `real` for a real file.
        domain: The image world (celeba, ffhq, celeb_df, …) that a real set shares with its fakes.
        label: 0 real, 1 fake.
        group: What may never be divided between splits: a video or a photograph with all edits made from it.
            Unique across sources: it begins with the source's name.
        own_split: The split that the data set itself prescribes, or "" where it prescribes none.
        identities: The persons shown, where the data set tells; training and validation share none.
        video: Identifies the clip that a frame comes from; "" for a still image.
        instance: The generator instance (training seed) behind a fake, where several exist.
        crop_box: Left, top, right and bottom in pixels: the part of the picture that the data set means.
    """

    path: str
    kind: Literal["image", "video"]
    method: str
    domain: str
    label: Literal[0, 1]
    group: str
    own_split: Split = ""
    identities: tuple[str, ...] = ()
    video: str = ""
    instance: str = ""
    crop_box: tuple[int, int, int, int] | None = None

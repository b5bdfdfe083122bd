"""Extracts the crops of raw files, with reasons for missing crops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from fakeforensics.faces.align import align
from fakeforensics.faces.detect import SAME_FACE, WINDOW, Detection, FaceDetector, LandmarkPredictor
from fakeforensics.faces.identity import FaceEmbedder, Tracklet, TrackletCollector, select_identities
from fakeforensics.faces.results import Crop, CropStore, Extraction, Rejection
from fakeforensics.faces.still import FileMetadata, Still, read_still
from fakeforensics.faces.track import HELD_PIXELS, Allowance, Observation, Tracker
from fakeforensics.faces.video import Clip, Frame, UnreadableError, open_clip
from fakeforensics.faces.whole import (
    clip_extraction,
    clip_metadata,
    extract_whole,
    rejected,
    sample_frames,
)
from fakeforensics.params import FacesParams

_NO_FACE = "no face found"
# Stills are mostly portraits, so the first search is for faces of half the shorter side.
_PORTRAIT = 0.5
# A clip should take at most about this many times its decoding. What takes time, in pixels that are decoded
# meanwhile: the share of its frames that are needed, a crop, an embedding, a pixel that is searched.
_OVER_DECODING = 2.5
_NEEDED = 0.7
_CROP = 5_000_000
_EMBEDDING = 48_000_000
_SEARCHED = 29
# But lost faces are searched for with as many pixels as this many searches for the smallest faces cover.
_LEAST_SEARCHES = 2
# So many frames are searched, then cropped, then encoded together: each step then finds its model in the
# processor's cache.
_BATCH = 8


class WorkItem(NamedTuple):
    """A raw file to extract crops from.

    Args:
        path: The file.
        kind: `image` or `video`.
        crop: `faces` for aligned crops, `whole` for whole images.
        crop_box: Left, top, right, bottom of the part of a still to use, in pixels; None uses all of it.
        others: Whether to extract a still's other faces too; `tracks: main` extracts only its main face.
    """

    path: Path
    kind: Literal["image", "video"]
    crop: Literal["faces", "whole"]
    crop_box: tuple[int, int, int, int] | None = None
    others: bool = False


class FaceExtractor:
    """Extracts crops from raw files. It holds the models, so that a process loads them once.

    Args:
        params: The group `faces` of the settings.
    """

    def __init__(self, params: FacesParams) -> None:
        self._params = params
        self._detector = FaceDetector(params.min_face)
        self._predict = LandmarkPredictor(params.landmarks)
        self._embed = FaceEmbedder()

    def extract(self, items: Sequence[WorkItem], stores: Sequence[CropStore]) -> list[Extraction]:
        """Extract the crops of some raw files. A fault of a file does not raise but becomes a rejection.

        Args:
            items: The files. Several stills in one call are faster, because models stay in the processor's
                cache.
            stores: One store per file, which receives its crops; files may share a store.

        Returns:
            The result of each file.
        """
        results = [Extraction(FileMetadata(""), [], [])] * len(items)
        stills: dict[int, Still] = {}
        for number, (item, store) in enumerate(zip(items, stores, strict=True)):
            try:
                if item.crop == "whole":
                    results[number] = extract_whole(item.path, item.kind, item.crop_box, store, self._params)
                elif item.kind == "video":
                    results[number] = self._video(item, store)
                else:
                    stills[number] = read_still(item.path, item.crop_box)
            except (UnreadableError, OSError) as error:
                results[number] = rejected(item.path, error)
            held = sum(still.frame.gray.size for still in stills.values())
            if stills and (held > HELD_PIXELS or number == len(items) - 1):
                self._stills(items, stores, stills, results)
                stills.clear()
        return results

    def _stills(
        self,
        items: Sequence[WorkItem],
        stores: Sequence[CropStore],
        stills: dict[int, Still],
        results: list[Extraction],
    ) -> None:
        """Extract the faces of the stills that could be read, and put them into `results`."""
        found = {
            number: self._faces(still.frame, others=items[number].others) for number, still in stills.items()
        }
        crops = iter(self._crop([(stores[number], one) for number, many in found.items() for one in many]))
        for number, many in found.items():
            own = list(islice(crops, len(many)))
            rejections = [] if own else [Rejection(_NO_FACE)]
            results[number] = Extraction(stills[number].metadata, own, rejections)

    def _faces(self, frame: Frame, *, others: bool) -> list[Observation]:
        if self._params.tracks == "all":
            hits = _by_size(self._detector.all(frame.gray))
        elif others:
            largest, everybody = self._detector.largest_and_all(frame.gray, _PORTRAIT)
            main = _by_size(largest)[:1]
            # The search for all faces may find a slightly different box of the main face.
            hits = main + [
                hit for hit in _by_size(everybody) if all(hit.box.iou(one.box) < SAME_FACE for one in main)
            ]
        else:
            hits = _by_size(self._detector.largest(frame.gray, _PORTRAIT))[:1]
        return [Observation(number, frame, hit.box, hit.score) for number, hit in enumerate(hits)]

    def _video(self, item: WorkItem, store: CropStore) -> Extraction:
        with open_clip(item.path) as clip:
            sampled = sample_frames(clip, self._params)
            allowance = Allowance(self._searched(clip, len(sampled)), len(sampled))
            tracker = Tracker(self._detector, self._params.tracks, allowance)
            collector = TrackletCollector(self._predict, self._embed)
            size = max(1, min(_BATCH, HELD_PIXELS // clip.pixels))
            crops: list[Crop] = []
            rejections: list[Rejection] = []
            height, width = 0, 0  # size of the first frame; later frames may differ
            decoded = clip.frames(sampled)
            while batch := list(islice(decoded, size)):
                frames = [one for one in batch if isinstance(one, Frame)]
                rejections += [Rejection(str(one[1]), one[0]) for one in batch if isinstance(one, tuple)]
                if frames and not height:
                    height, width = frames[0].gray.shape
                observations = [one for frame in frames for one in tracker.observe(frame)]
                collector.add(observations)
                crops += self._crop([(store, one) for one in observations])
        most = clip.work // _EMBEDDING if self._params.tracks == "main" else None
        crops, more = self._select(crops, collector.tracklets(most), sampled)
        known = {rejection.frame for rejection in rejections}
        rejections += [rejection for rejection in more if rejection.frame not in known]
        return clip_extraction(clip_metadata(item.path, clip, (width, height)), crops, rejections)

    def _searched(self, clip: Clip, frames: int) -> float:
        """How many pixels of a clip the search for lost faces may cover."""
        least = _LEAST_SEARCHES * (WINDOW / self._params.min_face) ** 2 * clip.pixels
        left = (_OVER_DECODING - _NEEDED) * clip.work - frames * _CROP
        return max(least, left / _SEARCHED)

    def _crop(self, work: Sequence[tuple[CropStore, Observation]]) -> list[Crop]:
        """Align and store the faces of observations."""
        landmarks = [self._predict(seen.frame.gray, seen.box) for _, seen in work]
        chips = [
            align(seen.frame.rgb, points, self._params.size, self._params.padding)
            for (_, seen), points in zip(work, landmarks, strict=True)
        ]
        stored = [store.add_pixels(chip) for (store, _), chip in zip(work, chips, strict=True)]
        return [
            Crop(
                place,
                seen.frame.number,
                seen.tracklet,
                seen.interpolated,
                tuple(float(side) for side in seen.box),
                tuple(float(value) for value in points.points.ravel()),
                None if math.isnan(seen.score) else seen.score,
            )
            for (_, seen), points, place in zip(work, landmarks, stored, strict=True)
        ]

    def _select(
        self, crops: Sequence[Crop], tracklets: Sequence[Tracklet], sampled: Sequence[int]
    ) -> tuple[list[Crop], list[Rejection]]:
        """Number crops by identity instead of tracklet, and keep the wanted identities.

        Returns:
            The kept crops, and a rejection for each sampled frame without one.
        """
        identities = select_identities(tracklets, len(sampled))
        if self._params.tracks == "main":
            identities = identities[:1]
        names = {part.number: number for number, one in enumerate(identities) for part in one.tracklets}
        best: dict[tuple[int, int], Crop] = {}
        for crop in crops:
            if crop.track not in names:
                continue
            named = crop._replace(track=names[crop.track])
            place = (named.frame, named.track)
            # If two tracklets of one person overlap in a frame, the crop with the higher score is kept.
            if place not in best or _score(named) > _score(best[place]):
                best[place] = named
        chosen = [best[place] for place in sorted(best)]
        found = {crop.frame for crop in chosen}
        others = {crop.frame for crop in crops} - found
        rejections = [
            Rejection("only other people or a stray detection" if frame in others else _NO_FACE, frame)
            for frame in sampled
            if frame not in found
        ]
        return chosen, rejections


def _by_size(hits: Sequence[Detection]) -> list[Detection]:
    return sorted(hits, key=lambda hit: (-hit.box.area, hit.box))


def _score(crop: Crop) -> float:
    return -math.inf if crop.score is None else crop.score

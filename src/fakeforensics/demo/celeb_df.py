"""The demo's Celeb-DF: clips of synthetic celebrities and face swaps, in the real set's layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fakeforensics.demo.arrays import generator
from fakeforensics.demo.backdrop import draw_backdrop
from fakeforensics.demo.clips import draw_motion, write_clip
from fakeforensics.demo.finish import digitise, focus
from fakeforensics.demo.identity import draw_identity
from fakeforensics.demo.pose import draw_view
from fakeforensics.demo.recipe import Recipe
from fakeforensics.demo.render import Person, Rendering
from fakeforensics.demo.swap import swap_face

FOLDER = "Celeb-DF-v2"
WIDTH, HEIGHT, EYE_DISTANCE = 320, 288, 64.0


@dataclass(frozen=True)
class Clip:
    """One clip to make.

    Attributes:
        folder: `Celeb-real`, `YouTube-real` or `Celeb-synthesis`.
        name: File name without suffix, as the real set has it.
        scene: Seed name of the real clip: motion, light and backdrop. A swap has its target's.
        person: Who is seen.
        donor: Whose face is put on, in a swap.
        is_test: Listed in `List_of_testing_videos.txt`.
    """

    folder: str
    name: str
    scene: str
    person: str
    donor: str | None
    is_test: bool

    @property
    def path(self) -> str:
        """Relative to the set's root."""
        return f"{self.folder}/{self.name}.mp4"


def plan(recipe: Recipe) -> list[Clip]:
    """All clips. People swap faces in pairs (0 with 1, 2 with 3 …); the first pairs are test."""
    clips = []
    for person in range(recipe.celebrities):
        is_test = person < recipe.test_celebrities
        donor = person ^ 1
        for take in range(recipe.takes):
            real, fake = f"id{person}_{take:04}", f"id{person}_id{donor}_{take:04}"
            clips.append(Clip("Celeb-real", real, real, f"id{person}", None, is_test))
            clips.append(Clip("Celeb-synthesis", fake, real, f"id{person}", f"id{donor}", is_test))
    for number in range(recipe.youtube_clips):
        name = f"{number:05}"
        clips.append(
            Clip("YouTube-real", name, f"youtube{number}", f"youtube{number}", None, number % 2 == 0)
        )
    return clips


def make_clip(clip: Clip, recipe: Recipe, seed: int, root: Path) -> None:
    """Render, forge where it is a swap, and encode one clip."""
    scene = generator(seed, FOLDER, "scene", clip.scene)
    base = draw_view(scene, EYE_DISTANCE)
    views = draw_motion(scene, base, recipe.frames)
    backdrop = draw_backdrop(scene, WIDTH, HEIGHT)
    person = Person(draw_identity(generator(seed, FOLDER, clip.person)))
    donor = clip.donor and Person(draw_identity(generator(seed, FOLDER, clip.donor)))
    camera = generator(seed, FOLDER, "camera", clip.name)
    blur = generator(seed, FOLDER, "focus", clip.scene).integers(2**31)
    frames = []
    for view in views:
        picture = person.render(view, backdrop)
        # The lens is the scene's: every frame, and the swap made from it, has the same focus.
        rgb = focus(picture.rgb, np.random.default_rng(blur))
        if donor:
            rgb = swap_face(Rendering(rgb, picture.landmarks), donor, view)
        frames.append(digitise(rgb, camera))
    write_clip(root / clip.path, frames)


def write_testing_list(recipe: Recipe, root: Path) -> None:
    """Write the list of test videos; as in the real set its digit is 1 for real."""
    lines = [f"{int(clip.donor is None)} {clip.path}\n" for clip in plan(recipe) if clip.is_test]
    root.mkdir(parents=True, exist_ok=True)
    (root / "List_of_testing_videos.txt").write_text("".join(lines), encoding="utf-8")

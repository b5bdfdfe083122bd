"""The demo: synthetic faces, clips and photographs in the layouts of the real data sets.

`Recipe` says how much is made; `examples.demo.build` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

VERSION = 3
"""Raise when the same seed is meant to give other files."""


@dataclass(frozen=True)
class Recipe:
    """Sizes of the demo data sets.

    Attributes:
        celebrities, test_celebrities: People in the clips (even numbers: they swap in pairs).
        takes: Real clips of each of them, and as many swaps.
        youtube_clips: Further real clips; every other one is test.
        frames: Frames a clip.
        celeba: Images in train, validation and test of each folder of CelebA's domain.
        ffhq: The same for FFHQ's domain.
        whole: Real images, and fakes, of each set of CNN Synth (a category where it has categories).
        lessons: Pictures that each generator is trained on.
        steps: Training steps of each generator.
    """

    celebrities: int = 12
    test_celebrities: int = 4
    takes: int = 2
    youtube_clips: int = 4
    frames: int = 12
    celeba: tuple[int, int, int] = (128, 24, 64)
    ffhq: tuple[int, int, int] = (24, 8, 64)
    whole: int = 48
    lessons: int = 24
    steps: int = 200

    def scaled(self, scale: float) -> Recipe:
        """The recipe with `scale` times as many people and images.

        Never fewer than the demo's protocol can be cut from: six celebrities, two of them for the test, and
        four images a split. Frames and lessons stay.
        """

        def images(counts: tuple[int, int, int]) -> tuple[int, int, int]:
            train, val, test = (max(4, round(count * scale)) for count in counts)
            return train, val, test

        def pairs(people: int, least: int) -> int:
            return max(least, 2 * round(people * scale / 2))

        return replace(
            self,
            celebrities=pairs(self.celebrities, 6),
            test_celebrities=pairs(self.test_celebrities, 2),
            celeba=images(self.celeba),
            ffhq=images(self.ffhq),
            whole=max(8, round(self.whole * scale)),
        )

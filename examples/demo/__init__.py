"""The demo data: synthetic faces, clips and photographs in the layouts of the real data sets.

`Recipe` holds the sizes, and `examples.demo.build` makes the files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

VERSION = 3
"""Raise when the same seed is meant to give other files."""


@dataclass(frozen=True)
class Recipe:
    """Sizes of the demo data sets.

    Attributes:
        celebrities: Number of people in the clips. It is even, because people swap faces in pairs.
        test_celebrities: How many of them are in test clips; also even.
        takes: Number of real clips of each person, and number of swaps.
        youtube_clips: Number of further real clips; every other one is a test clip.
        frames: Frames per clip.
        celeba: Images in training, validation and test, for each folder of the domain CelebA.
        ffhq: The same for the domain FFHQ.
        whole: Number of real images and of fakes in each set of CNN Synth; a set's categories share it.
        lessons: Number of pictures that each generator is trained on.
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

        The result never has fewer than the demo's protocol needs: six celebrities, two of them for the test,
        and four images per split. Frames, takes, lessons and steps do not change.
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

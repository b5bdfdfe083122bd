"""The images of the pilot study, by instances of a generator that differ in their training seed only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field

from fakeforensics.params import Count, Group, Name
from fakeforensics.sources.base import (
    ITSELF,
    AdapterOptions,
    CountCheck,
    DatasetAdapter,
    Instructions,
    RawFile,
    Rules,
)

CELEBA_IMAGES = 202_599
# The fewest instances for tables 3.1 to 3.6. The tenth instance of PGGAN is for testing.
LEAST_INSTANCES: Mapping[str, int] = {"pggan": 10, "cramergan": 3, "mmdgan": 3, "sngan": 3}


class Window(Group):
    """A square part of a picture.

    Args:
        x: Distance of its center from the left edge, in pixels.
        y: Distance of its center from the top edge, in pixels.
        size: Length of its side in pixels, at least 2.
    """

    x: Count
    y: Count
    size: Annotated[Count, Field(ge=2)]

    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in pixels."""
        left, top = self.x - self.size // 2, self.y - self.size // 2
        return left, top, left + self.size, top + self.size


class GanInstancesOptions(AdapterOptions):
    """Settings of the adapter.

    Args:
        real: The folder of real images.
        window: The part of each real image that the generators were trained on; null if the images are
            already cropped.
        domain: The image domain.
    """

    real: Name = "celeba"
    window: Window | None = Window(x=89, y=121, size=128)
    domain: Name = "celeba"


class GanInstances(DatasetAdapter):
    """Multi-seed GAN samples of chapter 3 of the thesis: CelebA against PGGAN, CramerGAN, MMDGAN and SNGAN.

    Real images are the 202,599 aligned photographs of CelebA (`img_align_celeba`, 178x218 pixels). Only a
    window of 128 x 128 pixels centered at x = 89, y = 121 is used, because the generators were trained on it.
    Fakes are in `<method>/<instance>`; instances differ in their training seed only. Draw samples from the
    models at https://github.com/ningyu1991/GANFingerprints or from your own models.

    Cite: Yu et al., Attributing Fake Images to GANs: Learning and Analyzing GAN Fingerprints, ICCV 2019; Liu
    et al., Deep Learning Face Attributes in the Wild, ICCV 2015 (CelebA).
    """

    instructions = Instructions(
        tree="celeba/000001.jpg …   (aligned, 178x218 pixels)\n"
        "<method>/<instance>/<image>   method: pggan, cramergan, mmdgan, sngan; instance: seed_1, seed_2 …",
        obtain="CelebA: the aligned images from mmlab.ie.cuhk.edu.hk/projects/CelebA.html. Samples: draw "
        "them from the models at https://github.com/ningyu1991/GANFingerprints, or train instances with "
        "different seeds",
    )
    crop = "whole"
    Options = GanInstancesOptions

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Compare the number of real images and the numbers of instances of each generator."""
        real = sum(record.label == 0 for record in records)
        yield CountCheck("CelebA, real", real, CELEBA_IMAGES, "exactly", "CelebA")
        instances = Counter(method for method, _ in {(record.method, record.instance) for record in records})
        for method, expected in LEAST_INSTANCES.items():
            name = f"instances of {method}"
            yield CountCheck(name, instances[method], expected, "at least", "tables 3.1 to 3.6")

    def records(self) -> list[RawFile]:
        """One record per image; `instance` is "<method>/<instance folder>"."""
        return [self._record(path) for path in self.files()]

    def _record(self, path: PurePosixPath) -> RawFile:
        self.refuse_split_folders(path)
        is_real = path.parts[0].lower() == self.options.real.lower()
        if not is_real and len(path.parts) < 3:
            raise self.problem(f"{path} is not in the folder of an instance")
        method = path.parts[0].lower()
        window = self.options.window
        return RawFile(
            path=str(path),
            kind="image",
            method="real" if is_real else method,
            domain=self.options.domain,
            label=0 if is_real else 1,
            group=self.own_group(path),
            instance="" if is_real else f"{method}/{path.parts[1]}",
            crop_box=window.box() if is_real and window is not None else None,
            rules=Rules(group=ITSELF, label="top folder"),
        )

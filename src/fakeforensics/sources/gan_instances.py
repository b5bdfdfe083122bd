"""The pilot study's samples: instances of a generator that were trained alike but for the seed."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from fakeforensics.params import Count, Group, Name
from fakeforensics.sources.layout import Layout, LayoutOptions
from fakeforensics.sources.record import RawFile


class Window(Group):
    """A square part of a picture.

    Args:
        x: Its centre, in pixels from the left.
        y: Its centre, in pixels from the top.
        size: Its side in pixels.
    """

    x: Count
    y: Count
    size: Annotated[Count, Field(ge=2)]

    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in pixels."""
        left, top = self.x - self.size // 2, self.y - self.size // 2
        return left, top, left + self.size, top + self.size


class GanInstancesOptions(LayoutOptions):
    """Settings of the layout.

    Args:
        real: The folder of real images.
        window: The part of each real image that the generators were trained on; null if the images are
            cropped already.
        domain: The image world.
    """

    real: Name = "celeba"
    window: Window | None = Window(x=89, y=121, size=128)
    domain: Name = "celeba"


class GanInstances(Layout):
    """Multi-seed GAN samples of chapter 3 of the thesis: CelebA against PGGAN, CramerGAN, MMDGAN and SNGAN.

    Real images are CelebA's aligned photographs (`img_align_celeba`, 178x218 pixels, 202,599 of them), of
    which the window of 128 pixels centred at x 89, y 121 is used, as the generators were trained on it. Fakes
    lie in a folder a method and in it a folder an instance; instances differ in their training seed alone.
    Samples are drawn from the models at https://github.com/ningyu1991/GANFingerprints or from one's own.

    Cite: Yu et al., Attributing Fake Images to GANs: Learning and Analyzing GAN Fingerprints, ICCV 2019; Liu
    et al., Deep Learning Face Attributes in the Wild, ICCV 2015 (CelebA).
    """

    tree: ClassVar[str] = (
        "celeba/000001.jpg …   (aligned, 178x218 pixels)\n"
        "<method>/<instance>/<image>   method: pggan, cramergan, mmdgan, sngan; instance: seed_1, seed_2 …"
    )
    obtain: ClassVar[str] = (
        "CelebA: the aligned images from mmlab.ie.cuhk.edu.hk/projects/CelebA.html. Samples: draw them from "
        "the models at https://github.com/ningyu1991/GANFingerprints, or train instances with different seeds"
    )
    crop: ClassVar[Literal["faces", "whole"]] = "whole"
    Options: ClassVar[type[LayoutOptions]] = GanInstancesOptions

    def records(self) -> list[RawFile]:
        """One record an image; `instance` is "<method>/<instance folder>"."""
        return [self._record(path) for path in self.files()]

    def _record(self, path: PurePosixPath) -> RawFile:
        is_real = path.parts[0] == self.options.real
        if not is_real and len(path.parts) < 3:
            raise self.problem(f"{path} lies in no instance's folder")
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
        )

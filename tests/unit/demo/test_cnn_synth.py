from pathlib import Path

import cv2
import numpy as np
import torch

from fakeforensics.demo.cnn_synth import CATEGORIES, SIDE, Picture, make_picture, plan
from fakeforensics.demo.recipe import Recipe
from fakeforensics.demo.upsamplers import UpSampler


def test_progan_has_categories_and_san_has_none() -> None:
    folders = {picture.path.rpartition("/")[0] for picture in plan(Recipe())}
    expected = {f"progan/{category}/{label}" for category in CATEGORIES for label in ("0_real", "1_fake")}
    assert folders == expected | {"san/0_real", "san/1_fake"}


def test_real_and_fake_are_equally_many() -> None:
    pictures = plan(Recipe())
    assert sum(picture.is_fake for picture in pictures) * 2 == len(pictures)


def test_sans_fake_is_its_real_image_enlarged(tmp_path: Path) -> None:
    network = UpSampler("shuffle", code=0).eval()
    for parameter in network.decoder[-1].parameters():
        torch.nn.init.zeros_(parameter)
    networks = {"san": network}
    for is_fake, number in ((False, 0), (True, 0), (False, 1)):
        make_picture(Picture("san", "", is_fake, number), networks, 0, tmp_path)
    real, fake, other = (
        cv2.imread(str(tmp_path / "san" / name)).astype(float)
        for name in ("0_real/00000.png", "1_fake/00000.png", "0_real/00001.png")
    )
    assert real.shape == (SIDE, SIDE, 3)
    small = [cv2.resize(picture, (14, 14), interpolation=cv2.INTER_AREA) for picture in (real, fake, other)]
    alike, unlike = (np.corrcoef(small[0].ravel(), small[i].ravel())[0, 1] for i in (1, 2))
    assert alike > 0.9 > unlike

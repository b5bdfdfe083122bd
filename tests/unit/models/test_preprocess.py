import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fakeforensics.models.preprocess import Preprocess


def test_crop_is_the_center():
    image = np.zeros((40, 36, 3), np.uint8)
    image[4:36, 2:34] = 7  # 40 − 32 leaves 4 above and below, 36 − 32 leaves 2 left and right
    crop = Preprocess(crop_size=32).crop(image)
    assert crop.shape == (32, 32, 3)
    assert (crop == 7).all()


def test_small_images_are_padded_with_black_not_resized():
    image = np.full((30, 31, 3), 9, np.uint8)
    crop = Preprocess(crop_size=32).crop(image)
    assert crop.shape == (32, 32, 3)
    # 2 rows are missing: one above, one below; 1 column: it goes to the right
    assert (crop[0] == 0).all()
    assert (crop[-1] == 0).all()
    assert (crop[1:-1, :31] == 9).all()
    assert (crop[:, -1] == 0).all()


def test_hand_worked_normalization():
    images = torch.tensor([0, 255, 128], dtype=torch.uint8).view(1, 3, 1, 1)
    # (0 − 0.485)/0.229, (1 − 0.456)/0.224, (128/255 − 0.406)/0.225
    expected = [-2.117904, 2.428571, 0.426492]
    assert Preprocess().normalize(images).flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_normalization_keeps_the_memory_order():
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    assert Preprocess().normalize(images).is_contiguous(memory_format=torch.channels_last)


def test_card_and_back():
    preprocess = Preprocess(crop_size=64)
    assert Preprocess.model_validate_json(preprocess.model_dump_json()) == preprocess


def test_unknown_keys_are_refused():
    with pytest.raises(ValidationError):
        Preprocess.model_validate({"crop_size": 64, "resize": 256})

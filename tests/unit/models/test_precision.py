import pytest
import torch

from fakeforensics.models.precision import full_float32

cudnn = torch.backends.cudnn


@pytest.mark.parametrize("before", [True, False])
def test_tf32_is_off_inside_and_as_it_was_outside(before):
    default = cudnn.allow_tf32
    try:
        cudnn.allow_tf32 = before
        with pytest.raises(KeyError), full_float32():
            assert not cudnn.allow_tf32
            raise KeyError
        assert cudnn.allow_tf32 is before
    finally:
        cudnn.allow_tf32 = default

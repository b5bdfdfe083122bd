import jaxtyping
import pytest
import torch

from fakeforensics.detectors.sad import sad_loss
from fakeforensics.devices import has_gpu


@pytest.mark.skipif(has_gpu(), reason="checks would be in torch.compile's way")
def test_a_wrong_shape_is_refused_while_tests_run():
    # (3, 1) and (3,) would broadcast to nine losses and train on nonsense.
    with pytest.raises(jaxtyping.TypeCheckError):
        sad_loss(torch.ones(3, 1), torch.zeros(3))


def test_an_int_passes_for_a_float_as_type_checkers_have_it():
    from tests.shapes import checked

    @checked
    def half(value: float) -> float:
        return value / 2

    assert half(3) == 1.5
    with pytest.raises(Exception, match="violates type hint"):
        half("3")

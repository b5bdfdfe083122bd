import pytest
import torch

from fakeforensics.models.detector import Detector, squared_distance


def test_hand_worked_distance():
    code = torch.tensor([[3.0, 4.0], [1.0, 1.0]])
    # (3−1)² + (4−1)² = 13; the second code is the centre
    assert squared_distance(code, torch.ones(2)).tolist() == [13.0, 0.0]


def test_distance_is_float32_under_bf16():
    # in bfloat16 256.5² rounds to 65536; in float32 it is exact
    with torch.autocast("cpu", torch.bfloat16):
        distance = squared_distance(torch.tensor([[256.5]]), torch.zeros(1))
    assert distance.dtype == torch.float32
    assert distance.item() == 65792.25


def test_all_outputs_are_float32_under_bf16():
    detector = Detector().eval()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        output = detector(torch.randn(2, 3, 32, 32))
    assert [value.dtype for value in output] == [torch.float32] * 3


def test_output_is_classifier_and_distance_of_the_code():
    detector = Detector().eval()
    detector.centre.fill_(0.5)
    with torch.no_grad():
        output = detector(torch.randn(3, 3, 32, 32))
        assert output.code.shape == (3, 512)
        assert torch.equal(output.logit, detector.classifier(output.code)[:, 0])
    assert torch.allclose(output.distance, ((output.code - 0.5) ** 2).sum(dim=1))


def test_centre_is_saved_but_not_trained():
    detector = Detector()
    assert "centre" in detector.state_dict()
    assert "centre" not in dict(detector.named_parameters())


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_memory_order_does_not_change_the_output(memory):
    torch.manual_seed(0)
    detector = Detector().eval()
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        expected = detector(images).code
        got = detector.to(memory_format=memory)(images.contiguous(memory_format=memory)).code
    assert torch.allclose(got, expected, atol=1e-4)

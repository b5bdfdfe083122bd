import numpy as np
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.inference.explain import Explainer
from fakeforensics.inference.package import Package
from fakeforensics.inference.torch_network import TorchNetwork
from fakeforensics.models.detector import Detector
from tests.unit.inference.conftest import CROP, make_model


def crops(count):
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 255, (count, CROP, CROP, 3)).astype(np.uint8))


def test_heat_is_between_0_and_1_and_as_large_as_the_crop(package):
    heats = [*Explainer(package).heat(crops(12))]
    for heat in heats:
        assert heat.shape == (CROP, CROP)
        assert heat.min() >= 0
        # Where every place lowers the score, relu leaves nothing.
        assert heat.max() == pytest.approx(1) or not heat.any()
    assert any(heat.any() for heat in heats)


def test_heat_is_grad_cam(package):
    # Selvaraju et al.: channel weights are the gradients' means over space; the map is relu(Σ w_k A_k).
    images = crops(1)
    seen = {}
    model = TorchNetwork(package)
    hook = model.detector.heat_layer.register_forward_hook(lambda _, __, output: seen.update(features=output))
    batch = model.preprocess.normalize(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
    logit = model.detector.score(batch)["logit"]
    hook.remove()
    features = seen["features"]
    (gradient,) = torch.autograd.grad(logit.sum(), features)
    cam = (gradient.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True).relu()
    large = torch.nn.functional.interpolate(cam, (CROP, CROP), mode="bilinear")[0, 0].detach()
    expected = (large / large.max()).numpy()
    np.testing.assert_allclose(Explainer(package).heat(images)[0], expected, atol=1e-5)


def test_the_deciding_score_is_explained(tmp_path):
    sad = Package(make_model(tmp_path / "m", name="sad"))
    images = crops(2)
    assert [score.name for score in sad.scores] == ["cd"]
    by_distance = Explainer(sad).heat(images)
    by_logit = Explainer(Package(make_model(tmp_path / "n", name="bce"))).heat(images)
    assert not np.allclose(by_distance[0], by_logit[0], atol=0.05)


def test_a_detector_without_a_feature_map_has_no_heat_maps(package, monkeypatch):
    monkeypatch.setattr(Detector, "heat_layer", None)
    with pytest.raises(UserError, match=r"no layer with a feature map(.|\n)*leave out --explain"):
        Explainer(package)

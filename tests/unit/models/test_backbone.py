import pytest
import torch
from torchvision import models as zoo

from fakeforensics.errors import UserError
from fakeforensics.models.backbone import CODE_SIZE, GlobalAveragePool, build_backbone, load_backbone


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_code_size(name):
    assert build_backbone(name).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, CODE_SIZE[name])


def test_code_is_layer4_averaged_over_space():
    backbone = build_backbone("resnet18").eval()
    seen = {}
    backbone.layer4.register_forward_hook(lambda module, inputs, output: seen.update(layer4=output))
    with torch.no_grad():
        code = backbone(torch.randn(2, 3, 64, 64))
    # 64 pixels come down by 32 to 2 × 2
    assert seen["layer4"].shape == (2, 512, 2, 2)
    assert torch.allclose(code, seen["layer4"].mean(dim=(2, 3)), atol=1e-6)


def test_without_downsampling_layer4_sees_four_times_the_resolution():
    backbone = build_backbone("resnet18", "no_downsampling").eval()
    seen = {}
    backbone.layer4.register_forward_hook(lambda module, inputs, output: seen.update(layer4=output))
    backbone(torch.zeros(1, 3, 64, 64))
    # the stem keeps 64; layers 2 to 4 halve it three times
    assert seen["layer4"].shape == (1, 512, 8, 8)


def test_pooling_is_float32_under_bf16():
    # in bfloat16, 256 + 1 is 256, so that a mean taken there would lose the second value
    features = torch.tensor([256.0, 1.0], dtype=torch.bfloat16).view(1, 1, 1, 2)
    assert GlobalAveragePool()(features).item() == 128.5


@pytest.mark.parametrize("stem", ["standard", "no_downsampling"])
def test_published_weights_fit_either_stem(stem):
    published = zoo.resnet18(weights=None).state_dict()
    backbone = build_backbone("resnet18", stem)
    load_backbone(backbone, published, "here")
    assert torch.equal(backbone.conv1.weight, published["conv1.weight"])
    assert torch.equal(backbone.layer4[1].conv2.weight, published["layer4.1.conv2.weight"])


def test_weights_of_another_network_are_refused():
    with pytest.raises(UserError, match=r"w\.pth: these weights do not fit"):
        load_backbone(build_backbone("resnet18"), zoo.resnet34(weights=None).state_dict(), "w.pth")


def test_what_is_no_state_dict_is_refused():
    with pytest.raises(UserError, match="not a state dict"):
        load_backbone(build_backbone("resnet18"), {"epoch": 3}, "w.pth")


@pytest.mark.parametrize(("name", "stem"), [("vgg", "standard"), ("resnet18", "wide")])
def test_unknown_names_are_refused(name, stem):
    with pytest.raises(UserError, match="unknown"):
        build_backbone(name, stem)

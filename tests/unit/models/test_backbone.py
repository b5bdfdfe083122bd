import shutil
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models as zoo

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.backbone import (
    GlobalAveragePool,
    TokenMap,
    build_backbone,
    check_backbone,
    start_backbone,
)
from fakeforensics.models.card import Architecture
from tests.thin_resnet import few_blocks

FAMILIES = {"resnet18": 512, "convnext_tiny": 768, "efficientnet_b0": 1280, "vit_b_16": 768}


def build(name="resnet18", **architecture):
    network, facts = build_backbone(Architecture(**{"backbone": name, "crop_size": 64} | architecture))
    return network.eval(), facts


def start(network, facts, weights, sha256=None, crop_size=64):
    return start_backbone(network, facts, crop_size, str(weights), sha256)


@pytest.fixture
def shallow(monkeypatch):
    """Families of hundreds of megabytes, with one block where they have up to twelve."""
    few_blocks(monkeypatch)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(("name", "code_size"), FAMILIES.items())
def test_each_family_gives_a_code_a_map_for_heat_maps_and_takes_its_published_weights(
    name, code_size, tmp_path
):
    network, facts = build(name)
    assert (facts.name, facts.code_size, facts.channels) == (name, code_size, code_size)
    maps = []
    network.get_submodule(facts.heat_layer).register_forward_hook(lambda *seen: maps.append(seen[2].shape))
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, code_size)
    # 64 pixels come down by 32 to 2 × 2, in a vision transformer by 16 to 4 × 4
    side = 4 if name.startswith("vit") else 2
    assert maps == [(2, code_size, side, side)]

    with torch.device("meta"):  # names and shapes; a ViT's are for 224 pixels
        shapes = zoo.get_model(name, weights=None).state_dict()
    published = {key: torch.full(tensor.shape, 0.5, dtype=tensor.dtype) for key, tensor in shapes.items()}
    file = tmp_path / "weights.safetensors"
    save_file(published, file)
    digest = sha256_file(file)
    assert start(network, facts, file, digest[:8]) == {"weights": "weights.safetensors", "sha256": digest}
    loaded = network.state_dict()
    same = [key for key in loaded if key != "encoder.pos_embedding"]
    assert all(torch.equal(loaded[key], published[key]) for key in same)
    assert not any(key.startswith(f"{facts.classifier}.") for key in same)


def test_normalization_is_that_of_the_published_weights():
    _, facts = build()
    assert (facts.mean, facts.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_code_is_layer4_averaged_over_space():
    network, _ = build()
    seen = {}
    network.layer4.register_forward_hook(lambda module, inputs, output: seen.update(layer4=output))
    with torch.no_grad():
        code = network(torch.randn(2, 3, 64, 64))
    assert seen["layer4"].shape == (2, 512, 2, 2)
    assert torch.allclose(code, seen["layer4"].mean(dim=(2, 3)), atol=1e-6)


def test_a_code_of_the_whole_map_has_the_pooled_code_as_its_mean():
    pooled, _ = build()
    network, facts = build(code="map")
    network.load_state_dict(pooled.state_dict())
    # 2 × 2 places of 512 numbers each
    assert (facts.code_size, facts.channels) == (512 * 2 * 2, 512)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        code = network(images)
        assert code.shape == (2, 512 * 2 * 2)
        assert torch.allclose(code.unflatten(1, (512, 4)).mean(dim=2), pooled(images), atol=1e-6)


def test_without_downsampling_layer4_sees_four_times_the_resolution():
    network, _ = build(stem="no_downsampling")
    seen = {}
    network.layer4.register_forward_hook(lambda module, inputs, output: seen.update(layer4=output))
    network(torch.zeros(1, 3, 64, 64))
    # the stem keeps 64; layers 2 to 4 halve it three times
    assert seen["layer4"].shape == (1, 512, 8, 8)


def test_pooling_is_float32_under_bf16():
    # in bfloat16, 256 + 1 is 256, so that a mean taken there would lose the second value
    features = torch.tensor([256.0, 1.0], dtype=torch.bfloat16).view(1, 1, 1, 2)
    assert GlobalAveragePool()(features).item() == 128.5


def test_a_map_of_tokens_leaves_them_as_they_are():
    tokens = torch.randn(2, 1 + 9, 4)
    shown = TokenMap()
    seen = []
    shown.grid.register_forward_hook(lambda module, inputs, output: seen.append(output))
    assert torch.equal(shown(tokens), tokens)
    # token 1 + 3 · row + column lies at (row, column)
    assert torch.equal(seen[0][0, :, 1, 2], tokens[0, 1 + 3 * 1 + 2])


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(
    ("name", "architecture", "message"),
    [
        ("vgg", {}, r"unknown backbone 'vgg'(?s:.*)resnet18, convnext_tiny"),
        ("inception_v3", {}, "more than one output"),
        ("squeezenet1_0", {}, "no linear classifier"),
        ("vit_h_14", {}, "IMAGENET1K_V1"),
        ("alexnet", {"crop_size": 32}, "images of 32 pixels"),
        ("convnext_tiny", {"stem": "no_downsampling"}, r"no stem without(?s:.*)train\.stem: standard"),
        ("vit_b_16", {"code": "map"}, r"does not pool(?s:.*)train\.code: pooled"),
        ("vit_b_16", {"crop_size": 72}, r"patches of 16 pixels(?s:.*)multiple of 16(?s:.*)72"),
    ],
)
def test_what_a_network_cannot_have_is_refused(name, architecture, message):
    with pytest.raises(UserError, match=message):
        build(name, **architecture)


def test_a_name_is_checked_without_building():
    check_backbone("resnet18")
    for name in ("resnet", "googlenet"):
        with pytest.raises(UserError, match=name):
            check_backbone(name)


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(5)
    return zoo.resnet18(weights=None).state_dict()


@pytest.fixture
def pth(tmp_path, published):
    path = tmp_path / "weights.pth"
    torch.save(published, path)
    return path


def test_none_leaves_the_initial_weights():
    network, facts = build()
    before = network.conv1.weight.clone()
    assert start(network, facts, "none") == {"weights": "none"}
    assert torch.equal(network.conv1.weight, before)


@pytest.fixture
def hub(tmp_path, monkeypatch, published):
    """PyTorch's cache, and a server whose file has the hash that its name tells."""
    torch.save(published, tmp_path / "served.pth")
    digest = sha256_file(tmp_path / "served.pth")
    address = f"https://example.org/models/resnet18-{digest[:8]}.pth"
    monkeypatch.setattr("fakeforensics.models.backbone._published", lambda name: Published(address))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    asked = []

    def download(url, path, progress):
        asked.append(url)
        shutil.copy(tmp_path / "served.pth", path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    return tmp_path / "hub/checkpoints" / address.rpartition("/")[2], asked, digest


class Published:
    def __init__(self, url):
        self.url = url

    def __str__(self):
        return "WEIGHTS"

    def transforms(self):
        return self  # has no mean


@pytest.mark.parametrize("stem", ["standard", "no_downsampling"])
def test_imagenet_is_downloaded_once_for_either_stem(hub, published, stem):
    _, asked, digest = hub
    for _ in range(2):
        network, facts = build(stem=stem)
        assert start(network, facts, "imagenet") == {"weights": "resnet18 WEIGHTS", "sha256": digest}
        assert torch.equal(network.conv1.weight, published["conv1.weight"])
        assert torch.equal(network.layer4[1].conv2.weight, published["layer4.1.conv2.weight"])
    assert len(asked) == 1


@pytest.mark.parametrize("damage", ["empty", "page", "half", "other weights"])
def test_what_lies_in_the_cache_is_checked_and_named(hub, tmp_path, damage):
    path, asked, _ = hub
    path.parent.mkdir(parents=True)
    torch.manual_seed(6)
    torch.save(zoo.resnet18(weights=None).state_dict(), tmp_path / "other.pth")
    served = (tmp_path / "served.pth").read_bytes()
    contents = {
        "empty": b"",
        "page": b"<html>sign in</html>",
        "half": served[: len(served) // 2],
        "other weights": (tmp_path / "other.pth").read_bytes(),
    }
    path.write_bytes(contents[damage])
    with pytest.raises(UserError, match=rf"{path.name}: not the expected file(?s:.*)delete .*{path.name}"):
        start(*build(), "imagenet")
    assert not asked


def test_a_failed_download_names_the_address_and_the_ways_out(monkeypatch, tmp_path):
    def offline(url, path, progress):
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(UserError, match=r"resnet18-f37072fd\.pth(?s:.*)set `train.weights` to its path"):
        start(*build(), "imagenet")


def test_a_file_is_checked_by_the_hash_in_its_name(pth, published):
    digest = sha256_file(pth)
    named = pth.rename(pth.with_name(f"resnet18-{digest[:8]}.pth"))
    network, facts = build()
    assert start(network, facts, named) == {"weights": named.name, "sha256": digest}
    assert torch.equal(network.layer1[0].conv1.weight, published["layer1.0.conv1.weight"])


def test_a_file_is_checked_by_the_hash_given(pth):
    network, facts = build()
    start(network, facts, pth, sha256_file(pth))
    with pytest.raises(UserError, match="not the expected file"):
        start(network, facts, pth, "0" * 64)


def test_a_file_of_unknown_hash_is_refused_with_its_hash(pth):
    with pytest.raises(UserError, match=sha256_file(pth)):
        start(*build(), pth)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not a zip")
    with pytest.raises(UserError, match="not a file of weights"):
        start(*build(), path, sha256_file(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.pth: no such file"):
        start(*build(), tmp_path / "gone.pth")


@pytest.mark.parametrize("state", [{"epoch": 3}, [torch.zeros(1)]])
def test_what_is_no_state_dict_is_refused(tmp_path, state):
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    with pytest.raises(UserError, match="not a state dict"):
        start(*build(), path, sha256_file(path))


@pytest.mark.parametrize("change", ["missing", "unexpected", "of another shape"])
def test_weights_of_another_network_are_refused(tmp_path, published, change):
    state = dict(published)
    tensor = state.pop("layer1.0.conv1.weight")
    if change != "missing":
        state |= {"layer1.0.conv1.weight": tensor[:1] if change == "of another shape" else tensor}
    if change == "unexpected":
        state["layer5.weight"] = tensor
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    with pytest.raises(UserError, match=r"weights\.pth: these weights do not fit(?s:.*)1 tensors"):
        start(*build(), path, sha256_file(path))

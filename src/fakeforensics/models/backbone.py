"""The backbone f: a torchvision classification network without its classifier, and weights to start from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models as zoo
from torchvision.models.vision_transformer import interpolate_embeddings

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.card import Architecture

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Networks of torchvision that cannot be used, and why.
_UNFIT = {
    **dict.fromkeys(("googlenet", "inception_v3"), "gives more than one output while it trains"),
    **dict.fromkeys(("squeezenet1_0", "squeezenet1_1"), "has no linear classifier"),
    **dict.fromkeys(("regnet_y_128gf", "vit_h_14"), "has no published weights IMAGENET1K_V1"),
}


@dataclass(frozen=True)
class BackboneFacts:
    """Facts about a backbone that the rest of the detector needs.

    Attributes:
        name: torchvision's name.
        classifier: Name of the layer that was removed, as in the published weights.
        code_size: Length of the latent code.
        channels: Length of the pooled code.
        heat_layer: Name of the last layer with a feature map, for heat maps; None if there is none.
        mean: Channel means (R, G, B) of the images that the published weights expect, in [0, 1].
        std: Their standard deviations.
    """

    name: str
    classifier: str
    code_size: int
    channels: int
    heat_layer: str | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class GlobalAveragePool(nn.Module):
    """Mean over height and width, in float32 whatever the precision of the features.

    In bfloat16 a code keeps 8 bits, too few for the small distances of a compact class to its center.
    """

    def forward(self, features: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim 1 1"]:
        """Average `features` over its last two axes."""
        return features.float().mean(dim=(-2, -1), keepdim=True)


class WholeMap(nn.Module):
    """The feature map as it is, in float32, where the latent code is the whole map."""

    def forward(self, features: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim h w"]:
        """Keep `features`."""
        return features.float()


class TokenMap(nn.Module):
    """Shows a transformer's patch tokens as a feature map, for heat maps; the tokens pass through."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = nn.Identity()

    def forward(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Arrange all tokens but the first, the class token, in a square and back."""
        patches = tokens[:, 1:].transpose(1, 2)
        batch, dim, count = patches.shape
        side = isqrt(count)
        grid = self.grid(patches.reshape(batch, dim, side, side))
        return torch.cat([tokens[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


def build_backbone(architecture: Architecture) -> tuple[nn.Module, BackboneFacts]:
    """Build f, randomly initialized from PyTorch's global generator.

    Args:
        architecture: `backbone` is torchvision's name of a classification network (`resnet18` is the thesis's
            choice, section 4.2). `stem: no_downsampling` gives a ResNet's first convolution stride 1 and
            takes out its max-pooling, which keeps the high frequencies where up-sampling leaves its traces,
            for about 16 times the work. `code` is `pooled` or `map`.

    Returns:
        A module from Float[batch, 3, h, w] to Float[batch, code_size], and its facts. Its children keep
        torchvision's names, so that published weights load.

    Raises:
        UserError: If torchvision has no such network, or it cannot have this stem, code or crop size.

    Source:
        He et al., Deep Residual Learning for Image Recognition, CVPR 2016. The stem: Gragnaniello et al., Are
        GAN Generated Images Easy to Detect?, ICME 2021.
    """
    name, size = architecture.backbone, architecture.crop_size
    network: Any = zoo.get_model(name, weights=None, **_options(name, size))
    classifier = [path for path, layer in network.named_modules() if isinstance(layer, nn.Linear)][-1]
    channels = network.get_submodule(classifier).in_features
    network.set_submodule(classifier, nn.Identity())
    if architecture.stem == "no_downsampling":
        if not isinstance(network, zoo.ResNet):
            raise UserError(
                f"the backbone {name} has no stem without down-sampling",
                expected="a ResNet with `train.stem: no_downsampling`",
                fix="set `train.stem: standard`",
            )
        network.conv1.stride = (1, 1)
        network.maxpool = nn.Identity()
    pool = getattr(network, "avgpool", None)
    pools = isinstance(pool, nn.AdaptiveAvgPool2d) and pool.output_size in (1, (1, 1))
    if architecture.code == "map" and not pools:
        raise UserError(
            f"the backbone {name} does not pool a feature map",
            expected="a network with average pooling, such as a ResNet, for `train.code: map`",
            fix="set `train.code: pooled`",
        )
    if pools:
        network.avgpool = WholeMap() if architecture.code == "map" else GlobalAveragePool()
    if isinstance(network, zoo.VisionTransformer):
        _show_token_map(network)
    code_size, heat_layer = _probe(name, network, size)
    mean, std = _normalization(name)
    return network, BackboneFacts(name, classifier, code_size, channels, heat_layer, mean, std)


def check_backbone(name: str) -> None:
    """Reject a name that `build_backbone` would reject, without building the network.

    Raises:
        UserError: If torchvision has no classification network of that name.
    """
    known = zoo.list_models(module=zoo)
    if name in _UNFIT:
        raise UserError(f"the backbone {name} {_UNFIT[name]}", fix="choose another `train.backbone`")
    if name not in known:
        raise UserError(
            f"unknown backbone {name!r}",
            expected="the name of a classification network of torchvision, such as resnet18, convnext_tiny, "
            "efficientnet_b0 or vit_b_16",
            fix="correct `train.backbone`",
        )


def _options(name: str, crop_size: int) -> dict[str, Any]:
    """Options of `get_model`: a vision transformer is built for images of one size."""
    check_backbone(name)
    if not name.startswith("vit_"):
        return {}
    patch = int(name.rsplit("_", 1)[1])
    if crop_size % patch:
        raise UserError(
            f"the backbone {name} cuts images into patches of {patch} pixels",
            expected=f"a multiple of {patch} as `train.crop_size`",
            found=str(crop_size),
        )
    return {"image_size": crop_size}


def _show_token_map(network: Any) -> None:
    """Put a `TokenMap` before the last block; its grid is the layer for heat maps."""
    block = network.encoder.layers[-1]
    block.token_map = TokenMap()
    block.register_forward_pre_hook(lambda module, inputs: (module.token_map(inputs[0]),))


def _probe(name: str, network: nn.Module, size: int) -> tuple[int, str | None]:
    """Length of the code, and the name of the last layer with a feature map.

    The layer is a child of the network, or a transformer's token grid.
    """
    found: list[str] = []

    def watch(layer_name: str) -> Any:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ARG001
            if isinstance(output, Tensor) and output.ndim == 4:
                found.append(layer_name)

        return note

    pools = (GlobalAveragePool, WholeMap, nn.AdaptiveAvgPool2d)
    layers = {name: layer for name, layer in network.named_children() if not isinstance(layer, pools)}
    layers |= {name: layer for name, layer in network.named_modules() if name.endswith("token_map.grid")}
    hooks = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            code = network(torch.zeros(1, 3, size, size))
    except RuntimeError as error:
        raise UserError(
            f"the backbone {name} cannot take images of {size} pixels",
            found=str(error).splitlines()[0],
            fix="change `train.crop_size`, `train.code` or `train.backbone`",
        ) from None
    network.train(training)
    for hook in hooks:
        hook.remove()
    return code.shape[1], found[-1] if found else None


def _normalization(name: str) -> tuple[Any, Any]:
    """Mean and standard deviation of the images on which the published weights were trained."""
    transforms = _published(name).transforms()
    if not hasattr(transforms, "mean"):
        return _IMAGENET
    return tuple(transforms.mean), tuple(transforms.std)


def start_backbone(
    network: nn.Module, facts: BackboneFacts, crop_size: int, weights: str, sha256: str | None = None
) -> dict[str, str]:
    """Load the weights that training starts from into a backbone.

    Args:
        network: From `build_backbone`; either stem takes the same weights.
        facts: From `build_backbone`.
        crop_size: In pixels; a vision transformer's position embeddings are interpolated to it.
        weights: `none`, `imagenet` (torchvision's IMAGENET1K_V1, downloaded once), or a local file: a state
            dict as torchvision publishes it (`.pth`, read without unpickling code) or `.safetensors`.
        sha256: First digits of a local file's SHA-256; by default those in its name.

    Returns:
        What was loaded, for the record: `weights` and `sha256` of the file, if one was read.

    Raises:
        UserError: If the download fails, or the file is missing, has another hash or is of another network.
    """
    if weights == "none":
        return {"weights": "none"}
    if weights == "imagenet":
        path = _downloaded(facts.name)
        digest = _checked(path, None, fix=f"delete {path}: it is downloaded again")
        _load(network, facts, crop_size, _read(path), f"ImageNet weights of {facts.name}")
        return {"weights": f"{facts.name} {_published(facts.name)}", "sha256": digest}
    path = Path(weights).expanduser()
    digest = _checked(path, sha256)
    _load(network, facts, crop_size, _read(path), str(path))
    return {"weights": path.name, "sha256": digest}


def _load(
    network: nn.Module, facts: BackboneFacts, crop_size: int, state: Mapping[str, Any], where: str
) -> None:
    if not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise UserError(f"{where}: not a state dict", expected="tensors by torchvision's names")
    body = {name: tensor for name, tensor in state.items() if not name.startswith(f"{facts.classifier}.")}
    if isinstance(network, zoo.VisionTransformer) and "encoder.pos_embedding" in body:
        body = dict(interpolate_embeddings(crop_size, network.patch_size, body))
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    theirs = {name: tensor.shape for name, tensor in body.items()}
    differing = sorted(name for name in own.keys() | theirs.keys() if own.get(name) != theirs.get(name))
    if differing:
        raise UserError(
            f"{where}: these weights do not fit the backbone {facts.name}",
            found=f"{len(differing)} tensors missing, unexpected or of another shape, such as {differing[0]}",
            fix="check `train.backbone` against the file",
        )
    with torch.no_grad():
        network.load_state_dict(body)


def _published(name: str) -> Any:
    return zoo.get_model_weights(name)["IMAGENET1K_V1"]


def _downloaded(name: str) -> Path:
    """The file of torchvision's weights in PyTorch's cache, downloaded if it is not there.

    torch.hub checks the hash of a download, but not of a file that is already in its cache.
    """
    url = _published(name).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / str(url).rpartition("/")[2]
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"the ImageNet weights of {name} could not be downloaded from {url}",
            found=str(error),
            fix="download that file elsewhere and set `train.weights` to its path, or set it to `none`",
        ) from None
    return path


def _checked(
    path: Path, sha256: str | None, fix: str = "download it again, or correct `train.weights_sha256`"
) -> str:
    if not path.is_file():
        raise UserError(
            f"{path}: no such file", expected="`train.weights`: imagenet, none, or the path of a local file"
        )
    if sha256 is None:
        in_name = re.search(r"-([0-9a-f]{8,64})$", path.stem)
        if in_name is None:
            raise UserError(
                f"{path}: its SHA-256 is not known, so the file cannot be checked",
                fix=f"set `train.weights_sha256`, for instance to {sha256_file(path)}, if you trust the file",
            )
        sha256 = in_name[1]
    digest = sha256_file(path)
    if not digest.startswith(sha256):
        raise UserError(
            f"{path}: not the expected file",
            expected=f"SHA-256 {sha256}…",
            found=f"SHA-256 {digest} ({path.stat().st_size} bytes)",
            fix=fix,
        )
    return digest


def _read(path: Path) -> Mapping[str, Any]:
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except Exception as error:  # noqa: BLE001  (the readers raise a dozen kinds for a damaged file)
        raise UserError(f"{path}: not a file of weights", found=str(error).splitlines()[0]) from None
    if not isinstance(state, Mapping):
        raise UserError(f"{path}: not a state dict", found=type(state).__name__)
    return state

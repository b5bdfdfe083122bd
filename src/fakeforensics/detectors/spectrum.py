"""The azimuthal power spectrum with a support vector machine or a logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import DetectorCard, Sees
from fakeforensics.models.detector import HeadDetector, Values
from fakeforensics.models.fourier import amplitudes, frequency_rings, ring_means
from fakeforensics.models.kernels import (
    USED,
    expansion,
    note_images_used,
    resolve_gamma,
    sample_rows,
    standardize,
    standardized,
)
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import Count, Group, Number

S_PS = ScoreSpec(
    name="ps", label="S_PS", title="decision function on the spectrum", column="score_ps", scale="real"
)
_GRAY = (0.299, 0.587, 0.114)
_EPS = 1e-8
_C = {"svm_rbf": 6.37, "svm_linear": 1.0, "logistic": 1.0}
_FLOOR = 1e-8  # under the power; only a blank image comes near


class SpectrumSettings(Group):
    """Settings of the spectrum and of what is fitted to it.

    Args:
        profile: `power`, the paper's: the mean power |F|² at each frequency up to half the image's side,
            centered on the constant term, on a logarithmic scale. `log_magnitude`, the public code's: the
            mean of 20 ln(|F| + 1e-8), with circles around the middle of the grid, half a step from the
            constant term if the side is even, into the corners, the first and last left out.
        normalize: `standard` standardizes each number by the training images. `first` divides by the first
            number, as the public code does for FaceForensics++ and CelebA; `none` leaves them, as it does for
            Faces-HQ.
        bins: To how many numbers the profile is interpolated, by cubic splines as in the public code; null
            leaves them. The code takes 300 for FaceForensics++ and 80 for CelebA.
        head: `svm_rbf`, `svm_linear` or `logistic`.
        c: C, the weight of errors. By default the public code's: 6.37 for `svm_rbf`, 1 for the others.
        gamma: γ of `svm_rbf`; `scale` takes 1 / (number of features · their variance). The code's 0.86 is for
            profiles that are divided by their first number.
        most_images: The most training images that are used; a seeded sample is drawn from more.
    """

    profile: Literal["power", "log_magnitude"] = "power"
    normalize: Literal["standard", "first", "none"] = "standard"
    bins: Annotated[Count, Field(ge=2, le=1024)] | None = None
    head: Literal["svm_rbf", "svm_linear", "logistic"] = "svm_rbf"
    c: Annotated[Number, Field(gt=0)] | None = None
    gamma: Annotated[Number, Field(gt=0)] | Literal["scale"] = "scale"
    most_images: Annotated[Count, Field(ge=2)] = 10_000


class Spectrum(HeadDetector):
    """The decision function of a classifier on a one-dimensional power spectrum; above 0 fake.

    Gray levels → Fourier transform → mean over circles of equal frequency → classifier. It needs no backbone.

    Paper and public code: the paper integrates the power |F|² over circles. The code averages a logarithm,
    which gives strong frequencies less weight. This module takes the logarithm of the mean power: powers span
    ten decades, and the paper's classifiers need a smaller range, though the paper does not say so.

    Differences from the public code: its notebook for FaceForensics++ adds 1e-8 to real images only, and the
    one for CelebA compares reals of 178 x 218 pixels with fakes of 128 x 128; this module does neither. It
    has no k-means. The authors warn that resizing removes the trace. Aligned face crops are resampled, so
    this system is at a disadvantage on them.

    Source:
        Durall et al., Watch your Up-Convolution, CVPR 2020, and Unmasking DeepFakes with simple Features,
        arXiv 1911.00686; cc-hpc-itwm/UpConv at 999b856 and cc-hpc-itwm/DeepFakeDetection at aaff429.
    """

    name: ClassVar[str] = "spectrum"
    label: ClassVar[str] = "Spectrum"
    title: ClassVar[str] = "classifier on the azimuthal power spectrum"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_PS,)
    Settings: ClassVar[type[Group]] = SpectrumSettings
    settings: SpectrumSettings
    rings: Tensor
    spline: Tensor

    def build(self) -> None:
        """Prepare the circles; there is no network."""
        size = self.architecture.crop_size
        if self.settings.profile == "power":
            rings = frequency_rings(size)
            self.first, self.end = 0, size // 2
        else:
            rings = code_rings(size)
            self.first, self.end = 1, int(rings.max())
        self.register_buffer("rings", rings, persistent=False)
        if self.settings.bins is not None:
            matrix = spline_matrix(self.end - self.first, self.settings.bins)
            self.register_buffer("spline", matrix, persistent=False)

    @property
    def preprocess(self) -> Preprocess:
        """Channels in [0, 1]."""
        return Preprocess(crop_size=self.architecture.crop_size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

    @property
    def card(self) -> DetectorCard:
        """The card, whose title says if a sample was drawn."""
        return note_images_used(super().card, self.fitted, "fitted on a sample of {used} of {all} images")

    @property
    def feature_settings(self) -> Mapping[str, Any]:
        """The profile; what follows is done when the head is fitted or read."""
        return {"profile": self.settings.profile}

    def features(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch bins"]:
        """The spectrum of images whose channels are in [0, 1]."""
        with torch.autocast(images.device.type, enabled=False):
            weights = images.new_tensor(_GRAY, dtype=torch.float64).view(1, 3, 1, 1)
            gray = (images.double() * weights).sum(dim=1, keepdim=True) * 255
            magnitude = amplitudes(gray)[:, 0]
            if self.settings.profile == "power":
                power = ring_means(magnitude.square(), self.rings, self.end)
                return (power + _FLOOR).log().float()
            decibels = 20 * (magnitude + _EPS).log()
            return ring_means(decibels, self.rings, self.end)[:, self.first :].float()

    def fit(
        self, features: Float[np.ndarray, "n dim"], labels: Int[np.ndarray, " n"], seed: int
    ) -> dict[str, np.ndarray]:
        """Fit the classifier; see `HeadDetector.fit`."""
        rows = sample_rows(len(features), self.settings.most_images, seed)
        x = self._shaped(torch.from_numpy(features[rows])).numpy()
        fitted: dict[str, np.ndarray] = {USED: np.array([len(x), len(features)])}
        if self.settings.normalize == "standard":
            x, scaling = standardize(x, x)
            fitted |= scaling
        if self.settings.head == "svm_rbf":
            return fitted | self._machine(x, labels[rows])
        return fitted | self._line(x, labels[rows], seed)

    @property
    def _c(self) -> float:
        return _C[self.settings.head] if self.settings.c is None else self.settings.c

    def _machine(self, x: Float[np.ndarray, "n dim"], labels: Int[np.ndarray, " n"]) -> dict[str, np.ndarray]:
        from sklearn.svm import SVC

        gamma = resolve_gamma(self.settings.gamma, x)
        machine = SVC(C=self._c, kernel="rbf", gamma=gamma).fit(x, labels)
        return {
            "support": machine.support_vectors_,
            "weights": machine.dual_coef_[0],
            "offset": machine.intercept_,
            "gamma": np.array([gamma]),
        }

    def _line(
        self, x: Float[np.ndarray, "n dim"], labels: Int[np.ndarray, " n"], seed: int
    ) -> dict[str, np.ndarray]:
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import SVC

        if self.settings.head == "svm_linear":
            fit = SVC(C=self._c, kernel="linear").fit(x, labels)
        else:
            fit = LogisticRegression(C=self._c, solver="liblinear", random_state=seed, max_iter=1000)
            fit.fit(x, labels)
        return {"slope": fit.coef_[0], "offset": fit.intercept_}

    def read(self, features: Float[Tensor, "batch dim"], fitted: Mapping[str, Tensor]) -> Values:
        """Σ w_i K(x_i, x) + b, or ⟨w, x⟩ + b."""
        x = self._shaped(features)
        value = standardized(x, fitted) @ fitted["slope"] if "slope" in fitted else expansion(x, fitted)
        return {S_PS.column: value + fitted["offset"]}

    def _shaped(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch bins"]:
        """The profile, interpolated and divided as the settings say."""
        x: Tensor = features
        if self.settings.bins is not None:
            x = x @ self.spline.to(x.device, x.dtype)
        if self.settings.normalize == "first":
            x = torch.div(x, x[:, :1])
        return x


def spline_matrix(size: int, bins: int) -> Float[Tensor, "size bins"]:
    """The matrix that interpolates `size` numbers to `bins` by a cubic spline through all of them.

    Both run from the first number to the last. Fewer than four numbers have no cubic spline.
    """
    from scipy.interpolate import make_interp_spline

    curve = make_interp_spline(np.linspace(0, bins, size), np.eye(size), k=3)
    return torch.from_numpy(np.ascontiguousarray(curve(np.linspace(0, bins, bins)).T))


def code_rings(size: int) -> Int[Tensor, "n n"]:
    """The public code's rings around the middle of the grid, on which the constant term lies first."""
    middle = (size - 1) / 2
    steps = torch.arange(size, dtype=torch.float64) - middle
    shifted = torch.hypot(steps[:, None], steps).floor().long()
    unshifted: Tensor = torch.fft.ifftshift(shifted)
    return unshifted

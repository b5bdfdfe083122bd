"""A head on features: how much nearer an image is to the fakes' mean than to the reals'."""

from typing import ClassVar

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.models.detector import HeadDetector


class Prototype(HeadDetector):
    name = "prototype"
    label = "Prototypes"
    title = "nearest class mean of the features"
    sees = "reals+fakes"
    scores: ClassVar = (
        ScoreSpec(
            name="pt", label="S_PT", title="share of the reals' distance", column="pt", scale="probability"
        ),
    )

    def fit(self, features, labels, seed):
        return {"real": features[labels == 0].mean(axis=0), "fake": features[labels == 1].mean(axis=0)}

    def read(self, features, fitted):
        real, fake = ((features - fitted[name]).norm(dim=1) for name in ("real", "fake"))
        return {"pt": real / (real + fake)}

"""A loss of one's own on the shared network, with a setting."""

from typing import Annotated, ClassVar

from pydantic import Field
from torch.nn import functional

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.models.latent import LatentDetector
from fakeforensics.params import Group, Number


class FocalSettings(Group):
    gamma: Annotated[Number, Field(ge=0)] = 2.0


class Focal(LatentDetector):
    name = "focal"
    label = "Focal"
    title = "focal loss"
    sees = "reals+fakes"
    scores: ClassVar = (
        ScoreSpec(
            name="fl", label="S_FL", title="logit of the classifier", column="focal_logit", scale="logit"
        ),
    )
    Settings = FocalSettings
    uses_center = False

    def losses(self, images, output, labels):
        entropy = functional.binary_cross_entropy_with_logits(output.logit, labels, reduction="none")
        return (1 - (-entropy).exp()) ** self.settings.gamma * entropy

    def read(self, images, output):
        return {"focal_logit": output.logit}

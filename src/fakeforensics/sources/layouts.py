"""The data set layouts by the name that params.yaml calls them."""

from fakeforensics.sources.celeb_df import CelebDF
from fakeforensics.sources.cnn_synth import CNNSynth
from fakeforensics.sources.dffd import DFFD
from fakeforensics.sources.faceforensics import FaceForensics
from fakeforensics.sources.folder import Folder
from fakeforensics.sources.gan_instances import GanInstances
from fakeforensics.sources.layout import Layout

LAYOUTS: dict[str, type[Layout]] = {
    "celeb_df": CelebDF,
    "cnn_synth": CNNSynth,
    "dffd": DFFD,
    "faceforensics": FaceForensics,
    "folder": Folder,
    "gan_instances": GanInstances,
}

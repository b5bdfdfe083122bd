"""Score tables made of Gaussians, whose optima are known."""

import numpy as np
import pandas as pd
from scipy.special import expit

from fakeforensics.metrics.spec import ScoreSpec
from tests.score_specs import SCORES


def make_scores(sets, detector="joint", images=200, seed=0, gap=3.0, share=0.5, video_frames=0):
    """A score table.

    Args:
        sets: Test set → shift of its scores; reals lie at the shift, fakes `gap` above, deviation 1.
        detector: bce, sad or joint: which scores there are.
        images: Per set.
        seed: Of the noise.
        gap: Between the classes' means, in standard deviations.
        share: Of fakes.
        video_frames: Frames a video; 0 makes stills, each its own group.
    """
    kept = [
        name
        for score in SCORES[detector]
        for name in (score.probability_column, score.column)
        if name is not None
    ]
    rng = np.random.default_rng(seed)
    parts = []
    for name, shift in sets.items():
        label = (np.arange(images) < round(share * images)).astype(np.int8)
        logit = rng.normal(size=images) + gap * label + shift
        distance = np.exp(0.3 * (rng.normal(size=images) + gap * label + shift))
        values = {"score_sl": expit(logit), "logit": logit, "score_cd": distance}
        number = np.arange(images)
        unit = number // video_frames if video_frames else number
        parts.append(
            pd.DataFrame(
                {
                    "key": [f"{name}/{i:05d}" for i in number],
                    "test_set": name,
                    "method": np.where(label == 1, name, "real"),
                    "domain": "celeba",
                    "source": "synthetic",
                    "label": label,
                    "group": [f"synthetic/{name}/{i}" for i in unit],
                    "video": [f"{name}/{i}" if video_frames else "" for i in unit],
                    "frame": np.where(video_frames > 0, number % max(video_frames, 1), -1).astype(np.int32),
                }
                | {name: values[name] for name in kept}
            )
        )
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["test_set", "key"], ignore_index=True)


# An invented detector with three scores, none of them a logit.
MIXED = (
    ScoreSpec(name="far", label="FAR", title="distance", column="distance", scale="positive"),
    ScoreSpec(name="sure", label="SURE", title="probability", column="sure", scale="probability"),
    ScoreSpec(name="margin", label="MARGIN", title="signed margin", column="margin", scale="real"),
)


def make_mixed(sets, **options):
    """A score table as of `make_scores` with the scores `MIXED`, each with its own noise."""
    table = make_scores(sets, "joint", **options)
    seed = options.get("seed", 0)
    own = make_scores(sets, "bce", **(options | {"seed": seed + 1000}))["logit"]
    columns = {"distance": table["score_cd"], "sure": expit(table["logit"] / 3 - 0.5), "margin": own - 1.5}
    return table.drop(columns=["score_sl", "logit", "score_cd"]).assign(**columns)

"""Score tables made of Gaussians, whose optima are known."""

import numpy as np
import pandas as pd


def make_scores(sets, objective="joint", images=200, seed=0, gap=3.0, share=0.5, video_frames=0):
    """A score table.

    Args:
        sets: Test set → shift of its scores; reals lie at the shift, fakes `gap` above, deviation 1.
        objective: bce, sad or joint: which scores there are.
        images: Per set.
        seed: Of the noise.
        gap: Between the classes' means, in standard deviations.
        share: Of fakes.
        video_frames: Frames a video; 0 makes stills, each its own group.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for name, shift in sets.items():
        label = (np.arange(images) < round(share * images)).astype(np.int8)
        logit = rng.normal(size=images) + gap * label + shift
        distance = np.exp(0.3 * (rng.normal(size=images) + gap * label + shift))
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
                    "score_sl": 1 / (1 + np.exp(-logit)),
                    "logit": logit,
                    "score_cd": distance,
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    dropped = {"bce": ["score_cd"], "sad": ["score_sl", "logit"], "joint": []}[objective]
    return table.drop(columns=dropped).sort_values(["test_set", "key"], ignore_index=True)

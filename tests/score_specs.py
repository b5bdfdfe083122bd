"""What the scores of the thesis's three detectors are, for tests of what is computed from scores alone."""

from fakeforensics.metrics.spec import ScoreSpec

SL = ScoreSpec(name="sl", label="S_SL", title="logit of the classifier", column="logit", scale="logit")
CD = ScoreSpec(
    name="cd", label="S_CD", title="squared distance to the center", column="score_cd", scale="positive"
)
SCORES = {"bce": (SL,), "sad": (CD,), "joint": (SL, CD)}

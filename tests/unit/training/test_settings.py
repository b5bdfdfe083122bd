import json

import pytest

from fakeforensics.errors import UserError
from fakeforensics.params import TrainParams
from fakeforensics.training.settings import load_settings

GOOD = {"protocol": "demo", "objective": "joint", "seed": 0, "lambda": 0.1, "train": {}, "augment": {}}


def load(tmp_path, value):
    path = tmp_path / "joint.json"
    path.write_text(json.dumps(value))
    return load_settings(path)


def test_resolved_settings_are_read(tmp_path):
    settings = load(tmp_path, GOOD | {"train": {"batch_size": 8}})
    assert (settings.lambda_, settings.train.batch_size, settings.train.patience) == (0.1, 8, 10)


def test_the_record_holds_every_value_and_lambda_for_joint_alone(tmp_path):
    assert load(tmp_path, GOOD).resolved()["lambda"] == 0.1
    bce = load(tmp_path, {key: GOOD[key] for key in GOOD if key != "lambda"} | {"objective": "bce"})
    assert set(bce.resolved()) == {"seed", "train", "augment"}
    assert bce.resolved()["train"]["betas"] == [0.9, 0.999]


def test_the_machine_decides_who_works_and_nothing_else(tmp_path):
    settings = load(tmp_path, GOOD | {"train": {"batch_size": 8}})
    moved = settings.on_machine(TrainParams(workers=3, devices=2, batch_size=64))
    assert (moved.train.workers, moved.train.devices, moved.train.batch_size) == (3, 2, 8)
    assert moved.resolved() == settings.resolved()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lambda": "abc"}, "`lambda`"),
        ({"lambda": -0.1}, "`lambda`"),
        ({"lambda": None}, "belongs to the joint"),
        ({"objective": "bce"}, "belongs to the joint"),
        ({"objective": "focal"}, "`objective`"),
        ({"train": {"batchsize": 8}}, "unknown key `train.batchsize`"),
        ({"train": {"batch_size": 0}}, "`train.batch_size`"),
        ({"train": {"learning_rate": "1e-4"}}, "`train.learning_rate`"),
        ({"augment": {"blur_sigma": [3, 1]}}, "above the upper end"),
        ({"augment": {"jpeg_quality": [30, 101]}}, "`augment.jpeg_quality"),
    ],
)
def test_what_is_wrong_is_named_before_any_work(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        load(tmp_path, GOOD | change)


def test_a_missing_file_names_the_stage_that_writes_it(tmp_path):
    with pytest.raises(UserError, match="run the stage `settings`"):
        load_settings(tmp_path / "joint.json")

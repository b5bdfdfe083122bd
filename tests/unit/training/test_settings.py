import json

import pytest

from fakeforensics.errors import UserError
from fakeforensics.params import TrainParams
from fakeforensics.training.settings import load_settings

GOOD = {
    "protocol": "demo",
    "detector": "joint",
    "seed": 0,
    "own": {"lambda": 0.1},
    "train": {},
    "augment": {},
    "code": {"fakeforensics.detectors.joint": "f" * 64},
}


def load(tmp_path, value):
    path = tmp_path / "joint.json"
    path.write_text(json.dumps(value))
    return load_settings(path)


def test_resolved_settings_are_read(tmp_path):
    settings = load(tmp_path, GOOD | {"train": {"batch_size": 8}})
    assert (settings.own, settings.train.batch_size, settings.train.patience) == ({"lambda": 0.1}, 8, 10)


def test_the_record_holds_every_value_but_what_the_card_says_elsewhere(tmp_path):
    settings = load(tmp_path, GOOD)
    assert set(settings.resolved()) == {"seed", "train", "augment"}
    assert settings.resolved()["train"]["betas"] == [0.9, 0.999]


def test_what_is_stored_is_what_is_read_without_the_machine(tmp_path):
    settings = load(tmp_path, GOOD)
    stored = settings.stored()
    assert set(stored) == set(GOOD)  # neither `left_out` nor `instances`
    assert not {"workers", "devices"} & set(stored["train"])
    assert load(tmp_path, stored) == settings
    more = {"left_out": "narrowed", "instances": [1, 2]}
    assert load(tmp_path, GOOD | more).stored() == stored | more


def test_the_machine_decides_who_works_and_nothing_else(tmp_path):
    settings = load(tmp_path, GOOD | {"train": {"batch_size": 8}})
    moved = settings.on_machine(TrainParams(workers=3, devices=2, batch_size=64))
    assert (moved.train.workers, moved.train.devices, moved.train.batch_size) == (3, 2, 8)
    assert moved.resolved() == settings.resolved()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lambda": 0.1}, "unknown key `lambda`"),
        ({"detector": None}, "`detector`"),
        ({"seed": -1}, "`seed`"),
        ({"instances": []}, "`instances`"),
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

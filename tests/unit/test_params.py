"""params.yaml's schema refuses what would otherwise fail hours later, and says why."""

from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import modify_yaml
from pydantic import ValidationError

from fakeforensics.errors import UserError
from fakeforensics.params import Params, load_params
from fakeforensics.parsing import parse

ROOT = Path(__file__).parents[2]
MINIMAL = {
    "protocols": ["demo"],
    "sources": {"mine": {"layout": "folder", "root": "/data/mine"}},
    "detectors": ["bce"],
    "compare": {"baseline": "bce"},
}


def test_the_projects_own_file_is_valid_and_holds_the_thesis_settings():
    params = load_params(ROOT / "params.yaml")
    # Section 4.2 of the thesis: Adam with (0.9, 0.999), batches of 64, 1e-4 decaying by 0.9, patience 10.
    train = params.train
    assert (train.betas, train.batch_size, train.learning_rate) == ((0.9, 0.999), 64, 1e-4)
    assert (train.lr_decay, train.patience, train.backbone, train.weights) == (
        0.9,
        10,
        "resnet18",
        "imagenet",
    )
    assert params.lambda_ == 0.01
    assert params.protocols == ("demo",)
    assert params.detectors == ("bce", "sad", "joint", "oc_svm", "svdd_fakes", "spectrum")
    assert params.compare.baseline == "bce"
    # chapter 3: the center follows the weights, the code is the pooled one
    assert (train.center, train.code) == ("epoch", "pooled")


def test_every_key_of_the_file_names_a_field_and_none_is_left_to_a_hidden_default():
    written = yaml.safe_load((ROOT / "params.yaml").read_text())
    # unless named otherwise, a key is a field's name
    names = {field.alias or name for name, field in Params.model_fields.items()}
    assert set(written) == names
    for group in (
        *("compare", "demo", "faces", "splits", "train", "augment"),
        *("evaluate", "thresholds", "report"),
    ):
        fields = set(Params.model_fields[group].annotation.model_fields)
        assert set(written[group]) == fields, group


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lambda": "abc"}, "`lambda` should be a number, found 'abc'"),
        ({"lambda": -0.1}, "`lambda` should be at least 0, found -0.1"),
        ({"lambda": float("nan")}, "`lambda`"),
        ({"lambda": float("inf")}, "`lambda`"),
        ({"lambda": True}, "`lambda`"),
        ({"lamda": 0.1}, "unknown key `lamda`"),
        ({"train": {"epochs": 3}}, "unknown key `train.epochs`"),
        ({"train": {"batch_size": 0}}, "`train.batch_size`"),
        ({"train": {"batch_size": 1.5}}, "`train.batch_size`"),
        ({"augment": {"jpeg_prob": 1.5}}, "`augment.jpeg_prob`"),
        ({"protocols": []}, "`protocols`"),
        ({"detectors": []}, "`detectors`"),
        ({"detectors": ["../bce"]}, "`detectors.0`"),
        ({"compare": {}}, "`compare.baseline` is missing"),
        ({"detector_settings": {"bce": 3}}, "`detector_settings.bce`"),
        ({"train": {"centre": "init"}}, "unknown key `train.centre`"),
        ({"protocols": ["../../etc/passwd"]}, "`protocols.0`"),
        ({"seed": -1}, "`seed`"),
        ({"sources": {"x": {"layout": "folder"}}}, "`sources.x.root` is missing"),
    ],
)
def test_a_faulty_value_is_named_with_what_was_found(change, message):
    with pytest.raises(UserError) as raised:
        parse(Params, MINIMAL | change, "params.yaml")
    assert str(raised.value).startswith("params.yaml: ")
    assert message in str(raised.value)


def test_a_name_of_digits_must_be_quoted_and_each_is_listed_once():
    with pytest.raises(UserError, match=r"`protocols\.0`(.|\n)*in quotes, '2024'"):
        parse(Params, MINIMAL | {"protocols": [2024]}, "params.yaml")
    with pytest.raises(UserError, match="`protocols`: demo is listed twice"):
        parse(Params, MINIMAL | {"protocols": ["demo", "a", "demo"]}, "params.yaml")
    with pytest.raises(UserError, match=r"`evaluate\.corruptions`: blur_2 is listed twice"):
        parse(Params, MINIMAL | {"evaluate": {"corruptions": ["blur_2", "blur_2"]}}, "params.yaml")
    with pytest.raises(UserError, match=r"`thresholds\.known_reals`: 10 is listed twice"):
        parse(Params, MINIMAL | {"thresholds": {"known_reals": [10, 50, 10]}}, "params.yaml")


def test_digits_serve_where_text_may_look_like_a_number():
    train = {"precision": 32, "weights_sha256": 12345678}
    found = parse(Params, MINIMAL | {"train": train}, "params.yaml").train
    assert (found.precision, found.weights_sha256) == ("32", "12345678")


def test_lambda_may_be_zero_or_whole():
    assert parse(Params, MINIMAL | {"lambda": 0}, "params.yaml").lambda_ == 0
    assert parse(Params, MINIMAL | {"lambda": 1}, "params.yaml").lambda_ == 1


def test_params_do_not_change():
    params = parse(Params, MINIMAL, "params.yaml")
    with pytest.raises(ValidationError):
        params.seed = 1


def test_a_source_that_is_not_configured_is_named_with_the_way_out():
    params = parse(Params, MINIMAL, "params.yaml")
    with pytest.raises(
        UserError, match=r"'dffd' is not configured(.|\n)*found: sources mine(.|\n)*docs/data\.md"
    ):
        params.source("dffd")


def test_a_missing_or_broken_file_is_an_error_with_its_name(tmp_path):
    with pytest.raises(UserError, match=r"params\.yaml: no such file"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("lambda: [0.1")
    with pytest.raises(UserError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(UserError, match="should be a group of keys, found None"):
        load_params(tmp_path / "params.yaml")


def test_dvc_writes_the_file_in_the_form_that_it_has(tmp_path):
    # As `dvc exp run -S` does, so that a diff shows the changed value alone.
    own = Path(__file__).parents[2] / "params.yaml"
    written = tmp_path / "params.yaml"
    written.write_bytes(own.read_bytes())
    with modify_yaml(str(written)):
        pass
    assert written.read_text() == own.read_text()

"""A protocol in short: the recommendation and the warnings."""

import pytest

from fakeforensics.reporting.blocks import Table, Text
from fakeforensics.reporting.protocol_page import protocol_page
from fakeforensics.reporting.summary import facts, listed, pick, rate_table, warnings
from fakeforensics.reporting.tables import ap_table

from .conftest import make_params

SETS = ("stylegan_ffhq", "faceapp_ffhq")


def decide(project, detector="bce", score="sl", threshold=1.0, **more):
    value = {"score": score, "threshold": threshold, "chosen": "highest accuracy on the validation images"}
    project.write(f"metrics/p/{detector}.decision.json", value | more)


def validated(project, **precision):
    """Write average precisions on validation, the same for all scores of a detector."""
    for detector, ap in precision.items():
        path = f"metrics/p/{detector}.json"
        scores = [score.name for score in project.scores[detector]]
        project.write(path, project.read(path) | {"validation": {"ap": dict.fromkeys(scores, ap)}})


@pytest.fixture
def decided(full):
    """BCE is the best on validation; its threshold is a logit of 1."""
    validated(full, bce=0.99, sad=0.9, joint=0.98)
    rates = {"expected_fpr": 0.015, "expected_fpr_upper": 0.07, "expected_fnr": 0.0125}
    decide(full, measured_on={"reals": 100, "fakes": 99, "images": "validation"}, **rates)
    return full


def test_the_detector_is_the_one_of_the_highest_ap_on_validation(decided):
    chosen = pick(decided.results())
    assert chosen.column.name == "BCE"
    assert chosen.precision == pytest.approx(99)
    assert chosen.both == "1 (a sigmoid of 0.731)"
    # Of each set's four reals (scores −3.5, −1.5, 0.5, 2.5) one reaches 1, of its fakes (−2.5 … 3.5) two.
    assert [(one.fpr, one.recall) for one in chosen.rates] == [(0.25, 0.5)] * 2


def test_of_equals_the_last_is_taken_as_predict_does(full):
    validated(full, bce=0.9, sad=0.9, joint=0.9)
    assert pick(full.results()).column.detector == "joint"


def test_without_validation_nothing_is_recommended(full):
    assert pick(full.results()) is None
    assert dict(facts(full.results(), None))["Use"].startswith("No detector can be recommended")


def test_the_answers_are_sentences(decided):
    results = decided.results()
    said = dict(facts(results, pick(results)))
    assert said["Trained"] == "BCE, SAD and BCE+SAD, on 1,000 real images and 990 fakes made by stylegan."
    assert said["Use"].startswith(
        "BCE. Call an image fake if its score is at least 1 (a sigmoid of 0.731), the threshold with highest"
    )
    assert said["Expect"].startswith(
        "On images like those in validation: 1.5% of the reals called fake (at most 7.0%), and 1.2% of the"
    )
    assert "25.0% of the reals called fake" in said["Expect"]
    # The one unseen set: 60 with 2 points either way, of 60 real and 40 fake images.
    assert said["Unseen methods"] == (
        "BCE has an average precision of 60.0% (95% interval 58.0% to 62.0%); a random guess has 40.0%."
    )
    assert "99.0%" in said["Seen methods"]


def test_a_detector_from_elsewhere_is_not_said_to_be_trained_on_the_images(decided):
    decided.card("sad", sees="elsewhere")
    said = dict(facts(decided.results(), None))["Trained"]
    ours, theirs = said.split(". ", 1)
    assert ours.startswith("BCE and BCE+SAD, on 1,000 real images")
    assert "elsewhere" in theirs
    assert theirs.endswith(": SAD.")


def test_the_other_scores_are_compared_with_the_baseline(decided):
    row = {"second": "bce/sl", "test_set": "mean_unseen"}
    rows = [
        row | {"first": "sad/cd", "difference": -0.2, "low": -0.24, "high": -0.16},
        row | {"first": "joint/sl", "difference": 0.03, "low": -0.01, "high": 0.06},
    ]
    decided.write("metrics/p/comparison.json", {"baseline": "bce", "ap_difference": rows})
    text = dict(facts(decided.results(), None))["Other scores"]
    assert "BCE+SAD S_SL no clear difference (+3.0 points, −1.0 to +6.0); SAD worse (−20.0 points" in text
    assert text.startswith("Compared with BCE")


def test_a_detector_at_chance_on_validation_is_not_recommended(decided):
    # 99 of 199 validation images are fakes: chance is 49.7, and a random order often has 55.
    validated(decided, bce=0.55, sad=0.5, joint=0.5)
    results = decided.results()
    assert dict(facts(results, pick(results)))["Use"].startswith("None of these detectors")
    assert any(
        "BCE: The average precision on validation, 55.0, cannot be told" in one for one in warnings(results)
    )


def test_with_too_few_validation_images_nobody_can_tell(decided):
    decide(decided, measured_on={"reals": 2, "fakes": 2, "images": "validation"})
    results = decided.results()
    assert dict(facts(results, pick(results)))["Use"].startswith("Unknown, because")
    assert any("BCE: Validation has too few images" in one for one in warnings(results))


def test_the_first_epoch_as_the_best_is_warned_of(decided):
    decided.card("bce", epochs=5, best_epoch=0)
    (warning,) = warnings(decided.results())
    assert warning.startswith("BCE: Training kept the first of its 5 epochs")
    (chapter,) = decided.page().chapters
    assert any(isinstance(block, Text) and block.text == warning for block in chapter.sections[0].blocks)


def test_nothing_is_bold_inside_chance(decided):
    # 40 of 100 images are fakes. The intervals reach 2 points either way.
    decided.metrics({SETS[0]: (0.41, 0.4, 0.4, 0.4), SETS[1]: (0.43, 0.4, 0.4, 0.4)})
    (table,) = ap_table(decided.results())
    inside, above = table.rows[:2]
    assert not any(cell.best for cell in inside.cells)  # 39 to 43 holds 40
    assert [cell.best for cell in above.cells] == [True, False, False, False]  # 41 to 45 does not


def biased(telling, **methods):
    return {
        "real": 20,
        "fake": 20,
        "auc": 0.9,
        "p_value": 0.002,
        "is_biased": bool(telling),
        "properties": {},
        "methods": methods,
        "telling": telling,
    }


def test_sets_whose_files_tell_the_label_are_marked_in_every_table_and_named_first(decided):
    formats = {"mff/x/real": {"files": 2, "label": 0, "format": {"JPEG": 2}}}
    audit = {
        "warnings": [],
        "format_bias": {SETS[0]: biased([]), SETS[1]: biased([], faceapp=["JPEG quality"])},
        "formats": formats,
        "copies": {"identical_within_split": {"train": 0, "val": 0, "test": 0}},
    }
    decided.write("data/manifests/p/audit.json", audit)
    results = decided.results()
    # One method is told, although all fakes together are not.
    assert results.telling == {SETS[1]: "faceapp by JPEG quality"}
    (warning,) = warnings(results)
    assert "tells real from fake in faceapp_ffhq" in warning
    (table,) = ap_table(results)
    assert [row.mark for row in table.rows[:2]] == ["", "file format tells"]
    (rates,) = rate_table(results, pick(results))
    assert [row.mark for row in rates.rows] == ["", "file format tells"]
    sections = {
        one.title: one for one in protocol_page(results, make_params("p").thresholds).chapters[0].sections
    }
    assert not sections["Audit of the images"].folded
    curves = sections["Curves"].blocks[0].canvas
    texts = [text.get_text() for axes in curves.axes for text in axes.texts]
    assert texts == ["⚠ file format tells"]
    overview = decided.index("p").chapters[0]
    marked = [
        row.mark
        for one in overview.sections
        for block in one.blocks
        if isinstance(block, Table)
        for row in block.rows
        if row.mark
    ]
    assert marked == ["file format tells"] * 2


def test_lists_are_sentences():
    assert [listed(items) for items in (["a"], ["a", "b"], ["a", "b", "c"], [])] == [
        *("a", "a and b", "a, b and c", "nothing")
    ]

"""The figures, and the crops with the worst errors."""

import shutil

import numpy as np
import pytest

from fakeforensics.palette import COLORS, DARK
from fakeforensics.reporting.figures import ap_figure, curve_figures, score_figure
from fakeforensics.reporting.gallery import SIDE, contact_sheet, shrink, worst_gallery
from fakeforensics.reporting.page import to_svg, write_page

from .conftest import REFERENCE

SETS = ["stylegan_ffhq", "faceapp_ffhq"]


def figures(results):
    return [*ap_figure(results), *curve_figures(results), *score_figure(results, "accuracy")]


def test_a_run_has_four_pictures(full):
    names = [figure.name for figure in figures(full.results())]
    assert names == ["average-precision", "pr", "roc", "scores"]


def test_a_report_is_the_same_bytes_each_time(full, tmp_path):
    for place in ("one", "two"):
        write_page(full.page(reference=REFERENCE), tmp_path / place)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert len(files) == 6  # the page, four pictures and the sheet of thumbnails
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_an_svg_has_light_colors_of_its_own_and_rules_for_dark_pages(full):
    svg = to_svg(ap_figure(full.results())[0].canvas)
    style, drawing = svg[svg.index("<style>") : svg.index("</style>")], svg[svg.index("</style>") :]
    assert f"fill: {COLORS['series-3']}" in drawing
    assert "prefers-color-scheme: dark" in style
    assert f'[style*="fill: {COLORS["series-3"]}"]{{fill:{DARK["series-3"]}!important}}' in style
    # Every color is replaced once, and none by a color that another rule would replace again.
    assert not set(COLORS.values()) & set(DARK.values())


def test_a_histogram_draws_reals_and_fakes_with_both_thresholds(full):
    (figure,) = score_figure(full.results(), "accuracy")
    panels = np.array(figure.canvas.axes).reshape(2, 4)  # test sets by columns
    validation, oracle = panels[0, 0].lines
    # S_SL goes by logits: validation chose 1, the oracle 0.
    assert validation.get_xdata()[0] == pytest.approx(1)
    assert oracle.get_xdata()[0] == pytest.approx(0)
    # S_CD is drawn by its logarithm: 10 becomes 1, 1 becomes 0.
    assert panels[0, 3].lines[0].get_xdata()[0] == pytest.approx(1)


def test_without_scores_or_curves_there_are_no_such_pictures(project):
    project.protocol(SETS)
    project.metrics(dict.fromkeys(SETS, (0.5, 0.6, 0.7, 0.8)))
    results = project.results()
    assert curve_figures(results) == []
    assert score_figure(results, "accuracy") == []
    assert worst_gallery(results, "accuracy") == []


def test_the_worst_errors_come_first_one_per_group(full):
    (gallery,) = worst_gallery(full.results(), "accuracy")
    alarms, misses, *_ = gallery.strips
    # Even images are real, odd ones fake, and the score grows with the number; groups are 0-3 and 4-7.
    assert [item.title for item in alarms.thumbnails] == ["6.png", "2.png"]
    assert [item.title for item in misses.thumbnails] == ["1.png", "5.png"]
    # Validation's threshold on S_CD is 10: image 6 lies at 10^2.5, image 2 at 10^-1.5.
    assert [item.wrong for item in alarms.thumbnails] == [True, False]
    assert [item.wrong for item in misses.thumbnails] == [True, False]
    # Of each set's four reals the numbers 0, 2, 4, 6 score 10^-3.5 to 10^2.5: 6 alone reaches 10.
    assert alarms.note == (
        "1 of the set's 4 real images (25.0%) are called fake; 1 of them are among the 2 shown"
    )
    # Of the fakes 1, 3, 5, 7 only 7 does, at 10^3.5, and 5 is at 10^1.5: two of four are missed.
    assert misses.note.startswith("2 of the set's 4 fakes (50.0%) are called real")


def test_the_worst_crops_are_the_stored_images(full):
    (gallery,) = worst_gallery(full.results(), "accuracy")
    pixels = gallery.strips[0].thumbnails[0].pixels
    assert abs(float(pixels.mean()) - 46) < 2  # image 6, a real one: 40 + 6


def test_a_contact_sheet_shows_reals_and_fakes_of_every_set_one_per_group(full):
    (sheet,) = contact_sheet([full.results()])
    assert [row.label for row in sheet.rows] == [
        "Training",
        *(f"Test: {name}" for name in full.results().protocol.test),
    ]
    for row in sheet.rows:
        # Groups are 0-3 and 4-7, even images real, odd ones fake: of 0 and 2, the later.
        assert [item.title.split("/")[-1] for item in row.reals] == ["real: 2.png", "real: 6.png"]
        assert [item.title.rpartition(" ")[2] for item in row.fakes] == ["3.png", "7.png"]
        brightness = [item.pixels.mean() for item in (*row.reals, *row.fakes)]
        assert max(brightness[:2]) < 60 < 190 < min(brightness[2:])
    assert [row.unseen for row in sheet.rows[1:]] == [
        name in full.results().protocol.unseen for name in full.results().protocol.test
    ]


def test_test_sets_of_several_protocols_are_shown_once_and_missing_images_not_at_all(full):
    (one,) = contact_sheet([full.results()])
    (both,) = contact_sheet([full.results(), full.results()])
    assert [row.label for row in both.rows] == [row.label for row in one.rows]
    shutil.rmtree(full.root / "data/images")
    assert contact_sheet([full.results()]) == []


def test_a_thumbnail_is_the_middle_square():
    rgb = np.zeros((60, 120, 3), np.uint8)
    rgb[:, 30:90] = (200, 100, 50)
    small = shrink(rgb)
    assert small.shape == (SIDE, SIDE, 3)
    assert np.abs(small.reshape(-1, 3).mean(0) - (200, 100, 50)).max() < 3

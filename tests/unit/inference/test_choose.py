"""Choosing packages."""

import shutil
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.inference.choose import find_packages, open_package
from fakeforensics.inference.output import choice_line
from fakeforensics.sums import write_sums
from tests.unit.inference.conftest import card_only


def packages(root, package, order=(), **validation):
    """Packages of one protocol, each with the validation AP of its scores."""
    for name, ap in validation.items():
        folder = card_only(root / "p" / name, package, detector=package.raw_card["detector"] | {"name": name})
        if ap is not None:
            # Test sets say the opposite, and must not matter.
            on_tests = {"sl": {"t": 1 - max(ap.values()), "mean": 1 - max(ap.values())}}
            write_json(folder / "metrics.json", {"ap": on_tests, "validation": {"ap": ap}})
        if name in order:
            write_json(folder / "package.json", {"title": "t", "order": order.index(name)})
        write_sums(folder)
    return root


def test_a_single_package_is_taken_unmeasured(package, tmp_path):
    assert open_package(root=packages(tmp_path, package, a=None)).name == "p/a"


def test_of_one_protocol_the_best_on_validation_is_taken(package, tmp_path):
    # The best score of each counts: 0.95 of b against 0.9 of a and c.
    root = packages(tmp_path, package, a={"x": 0.9}, b={"x": 0.1, "y": 0.95}, c={"x": 0.9, "y": 0.8})
    assert open_package(root=root).name == "p/b"


@pytest.mark.parametrize(
    ("order", "chosen"),
    [
        ((), "p/c"),  # unknown: the last by name
        (("c", "a", "b", "d"), "p/b"),
        (("a",), "p/a"),  # a known order goes before an unknown one
    ],
)
def test_of_equally_good_packages_the_last_in_params_yaml_is_taken(package, tmp_path, order, chosen):
    best = {"x": 1.0}
    root = packages(tmp_path, package, order, a=best, b={"x": 0.5, "y": 1.0}, c=best, d={"x": 0.9})
    assert open_package(root=root).name == chosen


@pytest.mark.parametrize("missing", [None, {}])
def test_without_every_validation_ap_the_user_must_choose(package, tmp_path, missing):
    root = packages(tmp_path, package, a={"x": 0.9}, b=None)
    if missing is not None:
        write_json(tmp_path / "p/b/metrics.json", {"ap": {}, "validation": missing})
    with pytest.raises(UserError, match=r"on validation(.|\n)*p/a(.|\n)*p/b(.|\n)*--model"):
        open_package(root=root)


def test_of_several_protocols_the_user_must_choose(package, tmp_path):
    for protocol in ("a", "b"):
        card_only(tmp_path / protocol / "joint", package, protocol=protocol)
    with pytest.raises(UserError, match=r"several(.|\n)*a/joint(.|\n)*b/joint(.|\n)*--model"):
        open_package(root=tmp_path)
    assert open_package(tmp_path / "b/joint", root=tmp_path).name == "b/joint"


def test_own_packages_go_before_the_demos(package, tmp_path):
    for protocol in ("demo", "mine"):
        card_only(tmp_path / protocol / "joint", package, protocol=protocol)
    write_json(tmp_path / "demo/joint/package.json", {"title": "t", "demo": True})
    write_sums(tmp_path / "demo/joint")
    assert open_package(root=tmp_path).name == "mine/joint"
    line = choice_line(open_package(root=tmp_path), tmp_path)
    assert line is not None
    assert "2 packages" in line
    shutil.rmtree(tmp_path / "mine")
    assert open_package(root=tmp_path).name == "demo/joint"
    assert choice_line(open_package(root=tmp_path), tmp_path) is None


def test_placeholders_of_left_out_detectors_are_no_packages(package, tmp_path):
    root = packages(tmp_path, package, a=None)
    (root / "p/sad").mkdir()
    (root / "p/sad/left_out").write_text("the protocol does not run it")
    assert [one.name for one in find_packages(root)] == ["p/a"]


def test_a_package_without_its_card_is_one_that_cannot_be_opened(package, tmp_path):
    root = packages(tmp_path, package, a=None)
    write_sums(root / "p/a")
    (root / "p/a/model.json").unlink()
    assert [one.directory for one in find_packages(root)] == [root / "p/a"]
    with pytest.raises(UserError, match=r"p/a/model\.json: no such file"):
        open_package(root=root)


def test_without_a_package_the_error_names_the_way_to_one(tmp_path):
    with pytest.raises(UserError, match=r"no packaged model here(.|\n)*dvc repro") as caught:
        open_package(root=tmp_path)
    assert str(Path.cwd()) in str(caught.value)  # `root` is relative to it by default

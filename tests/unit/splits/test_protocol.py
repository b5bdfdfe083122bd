from pathlib import Path
from typing import Any

import pytest

from fakeforensics.errors import UserError
from fakeforensics.params import Params
from fakeforensics.parsing import parse
from fakeforensics.splits.protocol import Protocol, check_sources, corrected, load_protocol

ROOT = Path(__file__).parents[3]
PROTOCOLS = sorted(path.stem for path in (ROOT / "protocols").glob("*.yaml"))


def protocol(**values: Any) -> Protocol:
    base: dict[str, Any] = {"title": "t", "train": [{"source": "a"}], "test": {"x": [{"source": "b"}]}}
    return parse(Protocol, base | values, "protocols/p.yaml")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_of_the_project_is_sound(name: str) -> None:
    plan = load_protocol(name, ROOT / "protocols")
    assert plan.sources()
    assert plan.reference is None or plan.reference.startswith("table_")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"unseen": ["y"]}, "unseen names y, but the test sets are x"),
        ({"tests": {}}, "unknown key `tests`"),
        ({"test": {}}, "`test`"),
        ({"train": [{"source": "a", "splits": "all"}]}, "for test sets only"),
        ({"reference_set": [{"source": "b", "splits": "all"}]}, "for test sets only"),
        ({"detectors": []}, "`detectors`"),
        ({"test": {"x": [{"source": "a", "splits": "all"}]}}, "also trained on"),
        ({"holdout": {"val": 0.5, "test": 0.5}}, "nothing to train on"),
        ({"frames_per_video": {"real": 0, "fake": 1}}, "frames_per_video.real"),
        ({"frames_per_video": {"real": 1, "fake": 1, "val": {"real": 1}}}, "frames_per_video.val.fake"),
        ({"holdout": {"by": "face"}}, "holdout.by"),
        ({"limits": {"z/ffhq": {"train": 1}}}, "limits names z/ffhq, but the protocol uses a, b"),
        ({"limits": {"a": {"fake": {"train": 0}}}}, "limits.a.fake.train"),
        ({"as_written": "yes"}, "as_written"),
        ({"params": {"faces": {"size": 128}}}, "unknown key `params.faces`"),
        ({"sampling": {"seen": 1}}, "`sampling.module`"),
        ({"sampling": {"module": "../thesis.py"}}, "`sampling.module`"),
    ],
)
def test_a_faulty_protocol_is_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        protocol(**values)


def test_one_domain_or_method_needs_no_brackets() -> None:
    selection = protocol(train=[{"source": "a", "domain": "ffhq", "methods": "real"}]).train[0]
    assert (selection.domain, selection.methods) == (("ffhq",), ("real",))


def test_an_unknown_protocol_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("title: x")
    with pytest.raises(UserError, match="no protocol 'yours'") as caught:
        load_protocol("yours", tmp_path)
    assert "mine" in str(caught.value)


def test_a_source_that_is_not_configured_says_what_to_add() -> None:
    source = {"a": {"layout": "folder", "root": "x"}}
    detectors = {"detectors": ["bce"], "compare": {"baseline": "bce"}}
    params = Params.model_validate({"protocols": ["p"], "sources": source} | detectors)
    with pytest.raises(UserError, match="protocol 'p' needs the source b") as caught:
        check_sources("p", protocol(), params)
    assert "b: {layout: …, root: …}" in str(caught.value)
    assert "docs/data.md" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (["demo_ddfd", "x"], "write `demo_dffd` instead of `demo_ddfd`"),
        (["x"], "correct the selection"),
        (["demo_dffd"], "correct the selection"),  # the name is right, its images are in another split
    ],
)
def test_a_misspelled_name_comes_with_the_right_one(names: list[str], advice: str) -> None:
    assert corrected("p", names, ["mine", "demo_dffd"]) == f"in protocols/p.yaml, {advice}"


def test_the_reference_set_is_among_the_sources() -> None:
    plan = protocol(reference_set=[{"source": "c"}, {"source": "b", "domain": "cat"}])
    assert plan.sources() == ["a", "b", "c"]


def test_what_sampling_says_besides_the_module_is_for_the_module() -> None:
    sampling = protocol(sampling={"module": "mine", "seen": 1, "of": [2]}).sampling
    assert sampling is not None
    assert (sampling.module, sampling.settings()) == ("mine", {"seen": 1, "of": [2]})


def test_repeated_reals_do_not_go_with_a_sampler_which_chooses_them() -> None:
    with pytest.raises(UserError, match="reals: repeated"):
        protocol(reals="repeated", sampling={"module": "mine"})

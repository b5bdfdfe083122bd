"""A shared remote: what one clone has computed, another one pulls."""

import subprocess

import pytest

from tests.pipeline.conftest import Clone

SPLITS = "splits@demo"
MANIFEST = "data/manifests/demo/train.parquet"


def shrink(params):
    params["demo"]["scale"] = 0.1


def reseed(params):
    params["splits"]["seed"] = 5


def stages_run(printed):
    return [line for line in printed.splitlines() if line.startswith("Running stage")]


@pytest.fixture(scope="module")
def first(make_clone, tmp_path_factory):
    """A clone whose data stages ran, with a remote in a folder to which they were pushed."""
    clone = make_clone(tmp_path_factory.mktemp("first"))
    clone.edit("params.yaml", shrink)
    remote = tmp_path_factory.mktemp("remote")
    clone.run("dvc", "remote", "add", "--default", "team", str(remote))
    clone.commit()
    clone.run("dvc", "repro", SPLITS)
    clone.commit()
    clone.run("dvc", "push", "--run-cache")
    return clone


def cloned(clone, path):
    """A clone from it by Git, as a colleague makes one."""
    subprocess.run(("git", "clone", "--quiet", str(clone.path), str(path)), check=True)
    return Clone(path)


@pytest.mark.slow
def test_a_second_clone_pulls_what_the_first_computed(first, tmp_path):
    second = cloned(first, tmp_path / "second")
    # Only a part of the pipeline has been computed.
    second.run("dvc", "pull", "--allow-missing")
    assert stages_run(second.run("dvc", "repro", SPLITS)) == []
    assert second.run("git", "status", "--porcelain") == ""
    for name in (MANIFEST, "data/images/demo_dffd/shard-00000.tar"):
        assert (second.path / name).read_bytes() == (first.path / name).read_bytes()


@pytest.mark.slow
def test_with_the_run_cache_a_state_that_nobody_committed_is_pulled(first, tmp_path):
    first.edit("params.yaml", reseed)
    first.run("dvc", "repro", SPLITS)
    first.run("dvc", "push", "--run-cache")
    wanted = (first.path / MANIFEST).read_bytes()
    first.run("git", "checkout", "--quiet", ".")
    first.run("dvc", "checkout", SPLITS)

    second = cloned(first, tmp_path / "second")
    second.edit("params.yaml", reseed)
    assert stages_run(second.run("dvc", "repro", "--pull", SPLITS)) == []
    assert (second.path / MANIFEST).read_bytes() == wanted
    assert (first.path / MANIFEST).read_bytes() != wanted

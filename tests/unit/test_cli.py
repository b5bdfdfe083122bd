"""The user's command, as a user types it."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from fakeforensics import cli
from fakeforensics.errors import UserError
from fakeforensics.images.codec import encode_png
from fakeforensics.sums import write_sums
from tests.unit.inference import conftest

COMMANDS = (
    *(["predict"], ["verify"], ["serve"], ["export"], ["models"], ["crops"], ["evaluate"]),
    *(["models", "get"], ["data", "check"], ["data", "fetch"]),
)
photo, portrait, package = conftest.photo, conftest.portrait, conftest.package
HEAVY = {"torch", "dlib", "cv2", "pandas", "matplotlib", "sklearn", "scipy", "numpy", "gradio", "pydantic"}


def run(*arguments, status=0, **options):
    """What the command prints on standard output."""
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], **options)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.stdout


def test_help_imports_nothing_that_is_slow():
    code = (
        "import sys; from fakeforensics import cli\n"
        "try: cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "real or fake" in done.stdout
    assert not HEAVY & set(done.stderr.split())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_in_its_help(command):
    text = run(*command, "--help")
    assert f"fakeforensics {' '.join(command)}" in text.partition("Examples:")[2]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_example_parses(command):
    options = set(re.findall(r"--[a-z-]+", run(*command, "--help").partition("Options:")[2]))
    for line in re.findall(r"^ *(?:find .* \| )?fakeforensics (.*)$", run(*command, "--help"), re.MULTILINE):
        assert set(re.findall(r"--[a-z-]+", line)) <= options, line


@pytest.fixture
def here(package, photo, tmp_path, monkeypatch):
    """A folder with a package and a photo, as the user's working directory."""
    shutil.copytree(package.directory, tmp_path / "packages/p/joint")
    shutil.copy(photo, tmp_path / "one face.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_predict_prints_a_table_and_fails_if_a_file_does(here):
    text = run("predict", "one face.png", "nothing.png", status=1)
    head, photo, missing, total = text.splitlines()
    assert head.split() == ["FILE", "FACE", "SCORE", "PROBABILITY", "LOG10", "LR", "VERDICT"]
    assert photo.startswith("one face.png  0 ")
    assert re.search(r"(real|fake)$", photo)
    assert missing.split("  ")[-1].strip() == "failed: no such file"
    assert "1 failed" in total


def test_missing_files_are_named_without_loading_the_model(here):
    (here / "packages/p/joint/model.safetensors").unlink()
    write_sums(here / "packages/p/joint")
    assert "failed: no such file" in run("predict", "nothing.png", status=1)


def test_predict_json_lists_and_pictures(here):
    text = run(
        *("predict", "-", "--json", "--boxes", "marked", "--explain", "maps", "--people", "main"),
        input="one face.png\n",
    )
    answer = json.loads(text)
    assert (answer["model"], answer["demo"]) == ("p/joint", False)
    assert answer["decision"]["threshold"] == 0.25
    (file,) = answer["files"]
    (face,) = file["faces"]
    assert face["score"] == face["logit"]
    assert file["verdict"] == ("fake" if face["logit"] >= 0.25 else "real")
    assert len(list((here / "marked").iterdir())) == len(list((here / "maps").iterdir())) == 1


def test_predict_gives_inconclusive_verdicts_if_asked(here):
    policy = here / "packages/p/joint/decision.json"
    cuts = [{"error_rate": 0.5, "fake_from": 1e9, "real_to": -1e9}]  # no image lies beyond either
    policy.write_text(json.dumps(json.loads(policy.read_text()) | {"conformal": cuts}))
    write_sums(policy.parent)
    assert run("predict", "one face.png").split()[-1] in ("real", "fake")
    assert run("predict", "one face.png", "--inconclusive", 0.5).splitlines()[-1] == "1 file: 1 inconclusive"
    # The photo is the only known real: above its own score it is fake, at it not.
    options = ("--inconclusive", 0.5, "--known-reals", "one face.png", "--json")
    answer = json.loads(run("predict", "one face.png", *options))
    (file,) = answer["files"]
    assert (file["verdict"], answer["decision"]["known_reals"]) == ("inconclusive", 1)
    (cut,) = answer["decision"]["conformal"]
    assert cut["fake_from"] == np.nextafter(file["score"], np.inf)
    with pytest.raises(UserError, match=r"0\.05"):
        run("predict", "one face.png", "--inconclusive", 0.05)


def test_a_threshold_for_the_files_at_hand_is_recorded_and_verified(here):
    # One file is no sample: the photo is the only known real, and above its own score it is fake.
    adapt = ("predict", "one face.png", "--adapt", "--known-reals", "one face.png")
    answer = json.loads(run(*adapt, "--json", "--report", "case"))
    (file,) = answer["files"]
    decision = answer["decision"]
    assert decision["threshold"] == np.nextafter(file["score"], np.inf)
    assert (decision["adapted"]["known_reals"], decision["adapted"]["scores"]) == (1, 0)
    assert "0 unlabeled scores" in decision["adapted"]["fallback"]
    assert file["verdict"] == "real"
    record = json.loads((here / "case/case.json").read_text())
    assert record["model"]["policy"]["adapted"] == decision["adapted"]
    assert record["model"]["threshold"] == decision["threshold"]
    assert record["files"][0]["people"][0]["assessment"]["verdict"] == "real"
    assert "nothing was changed" in run("verify", "case")
    result = CliRunner().invoke(cli.app, list(adapt))
    assert "unknown; 0 unlabeled scores" in result.stderr


def test_a_threshold_for_the_files_at_hand_needs_known_reals_and_no_error_rate(here):
    run("predict", "one face.png", "--adapt", status=2)
    options = ("--adapt", "--known-reals", "one face.png", "--inconclusive", 0.05)
    run("predict", "one face.png", *options, status=2)


def test_predict_as_is_takes_crops(here):
    crop = here / "crop.png"
    crop.write_bytes(encode_png(np.full((96, 96, 3), 80, np.uint8)))  # no face in it
    assert "no face found" in run("predict", crop, status=1)
    result = CliRunner().invoke(cli.app, ["predict", str(crop), "--as-is", "--csv"])
    assert "crop.png,image,0,,,,,," in result.stdout
    assert ",score_sl,logit,score_cd,score,probability,log10_lr,verdict,outside,error" in result.stdout
    assert "trained on aligned faces" in result.stderr


def test_a_report_is_verified_and_a_changed_policy_is_named(here):
    run("predict", "one face.png", "nothing.png", "--report", "case", status=1)  # one file is not there
    assert {path.name for path in (here / "case").iterdir()} == {
        *("case.json", "report.html", "SHA256SUMS", "inputs", "pictures")
    }
    assert "nothing was changed" in run("verify", "case", "--hashes-only")
    policy = here / "packages/p/joint/decision.json"
    policy.write_text(policy.read_text().replace("0.25", "0.26"))
    assert "the decision policy decision.json of the detector was changed" in run("verify", "case", status=1)


def test_predict_without_anything_to_score(here, capsys, monkeypatch):
    (here / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["fakeforensics", "predict", "empty"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("error: there is nothing to score")


def test_predict_refuses_two_formats(here):
    run("predict", "one face.png", "--json", "--csv", status=2)


def test_models_lists_the_packages(here):
    _, joint = run("models").splitlines()
    assert joint.split() == ["packages/p/joint", "faces", "S_SL", "80.06", "-", "61.00", "-"]


def test_data_check_writes_the_inventory_of_a_good_source(here):
    for folder in ("0_real", "1_fake"):
        (here / "raw" / folder).mkdir(parents=True)
        image = np.full((64, 64, 3), len(folder) + ord(folder[0]), np.uint8)
        (here / "raw" / folder / "a.png").write_bytes(encode_png(image))
    (here / "params.yaml").write_text(
        "protocols: [p]\ndetectors: [d]\ncompare: {baseline: d}\n"
        "sources: {mine: {layout: folder, root: raw}}\n"
    )
    assert "written: data/inventory/mine.json" in run("data", "check", "mine", "--update")
    assert json.loads((here / "data/inventory/mine.json").read_text())["files"] == 2

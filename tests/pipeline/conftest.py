"""A temporary clone in which the pipeline really runs."""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from matplotlib.figure import Figure

from fakeforensics.inference import export
from tests.pipeline.warm import WarmPython

ROOT = Path(__file__).parents[2]
DEMO = "pipelines/demo/dvc.yaml:"  # begins the addresses of the demo's own stages


def stages() -> dict[str, dict]:
    """All stages in the order in which they run, but for those that only write the protocols' pipelines."""
    names = ("dvc.yaml", "pipelines/template.yaml")
    root, protocol = (yaml.safe_load((ROOT / name).read_text())["stages"] for name in names)
    last = {name: root.pop(name) for name in ("page", "report")}
    return {name: root[name] for name in root if name != "pipeline"} | protocol | last


@dataclass(frozen=True)
class Clone:
    """A copy of the project as it stands, a Git and DVC repository of its own.

    Attributes:
        path: The folder.
        python: A folder with another `python`, as `warm_python` has one; None: this interpreter.
    """

    path: Path
    python: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """In which commands find the interpreter and the copy's own code."""
        programs = [*filter(None, [self.python]), Path(sys.executable).parent, os.environ["PATH"]]
        return os.environ | {
            "PATH": os.pathsep.join(map(str, programs)),
            "PYTHONPATH": str(self.path / "src"),
            "PYTHONWARNINGS": "default",
        }

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command there and return what it printed."""
        done = subprocess.run(
            command, cwd=self.path, env=self.environment, capture_output=True, text=True, check=False
        )
        printed = done.stdout + done.stderr
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} exited with {done.returncode}:\n{printed}")
        return printed

    def kill(self, *command: str, after: str) -> None:
        """Start a command and kill it, children included, once it has printed a line that begins so."""
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env=self.environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if line.startswith(after):
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return
        pytest.fail(f"{' '.join(command)} ended before {after!r}:\n{''.join(printed)}")

    def edit(self, name: str, change) -> None:
        """Apply `change` to a YAML file's content in place."""
        path = self.path / name
        content = yaml.safe_load(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

    def commit(self) -> None:
        """Commit everything."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", "State")


def outputs(sources, protocols, detectors):
    """The files and folders that stages list for them, but for the demo's own and the hashes of code."""
    runs = [f"{protocol}/{detector}" for protocol in protocols for detector in detectors]
    listed = set()
    for name, stage in stages().items():
        body = stage.get("do", stage)
        for one in (*body.get("outs", ()), *body.get("metrics", ()), *body.get("plots", ())):
            path = one if isinstance(one, str) else next(iter(one))
            path = path.replace("${item.protocol}/${item.detector}", "${run}")
            for key, values in (("run", runs), ("key", sources), ("item", protocols)):
                if f"${{{key}}}" in path:
                    listed |= {path.replace(f"${{{key}}}", value) for value in values}
                    break
            else:
                listed |= {path} if name not in ("code", "demo") else set()
    assert not [path for path in listed if "$" in path]
    return listed


def leave_out_demo(pipeline) -> None:
    """Let the stage demo, which takes a minute, make no data: for pipelines that use none of them."""
    pipeline["stages"]["demo"]["cmd"] = "mkdir -p data/raw/demo && echo '{}' >data/demo.json"


def hasten_demo(root: Path) -> None:
    """Let the demo's generators of fakes learn for two steps, where what they make does not matter."""
    path = root / "examples/demo/__init__.py"
    text = path.read_text()
    found = re.sub(r"steps: int = \d+", "steps: int = 2", text)
    assert found != text
    path.write_text(found)


def leave_out_onnx(patch: pytest.MonkeyPatch) -> None:
    """Let packages come without model.onnx and say so; in `project` of test_plugins.py they have theirs."""

    def refuse(*_):
        raise export.NotExportedError("left out here", found="a test of other things")

    patch.setattr(export, "_write_onnx", refuse)


def leave_out_pictures(patch: pytest.MonkeyPatch) -> None:
    """Let the stage evaluate make its figures and leave their files empty.

    They are drawn in test_evaluate.py, and of all scales of scores in test_three_scores.py.
    """
    draw = Figure.savefig

    def save(figure, target, **options):
        if isinstance(target, Path):
            target.touch()
        else:  # a page's own
            draw(figure, target, **options)

    patch.setattr(Figure, "savefig", save)


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory):
    """A folder with a `python` that forks stages: one for all pipelines of a test process."""
    python = WarmPython(tmp_path_factory.mktemp("python"))
    yield python.folder
    python.close()


@pytest.fixture(scope="session")
def make_clone():
    """Copies the tracked files, as they are in the working tree, into a new repository."""

    def make(path: Path, python: Path | None = None) -> Clone:
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        for name in filter(None, tracked):
            if (ROOT / name).is_file() and not name.startswith(("metrics/", "report/")):
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)
        for lock in (path / "dvc.lock", *path.glob("pipelines/*/dvc.lock")):
            lock.unlink(missing_ok=True)
        clone = Clone(path, python)
        clone.run("git", "init", "--quiet")
        clone.run("git", "config", "user.name", "Test")
        clone.run("git", "config", "user.email", "test@example.org")
        return clone

    return make

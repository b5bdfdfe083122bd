"""A command on a damaged file says which one it is, or gives the result of the whole file."""

import shutil
from pathlib import Path

from tests.faults.conftest import size
from tests.faults.damages import DAMAGES, bit_flipped
from tests.faults.project import (
    TRACE,
    Run,
    Stage,
    commands,
    copy_project,
    digests,
    files_of,
    leftovers,
    remove,
    stages_of,
)
from tests.faults.tally import Tally
from tests.faults.warm import CLI

LONGEST = 600.0  # seconds that a command may take
# Text without a checksum: a flipped bit can make another valid value, which only `dvc repro` notices.
PLAIN = (".json", ".csv", ".yaml")
HASHING = ("contents", "results")  # these read nothing of what they hash: the stages after them do


def read_files(base: Path, stage: Stage) -> list[Path]:
    """The files that earlier stages wrote for this one."""
    names = {
        name for path in stage.reads if path.parts[:2] != ("data", "code") for name in digests(base, path)
    }
    if stage.name.startswith(("train", "score", "package")):  # the manifests point to the images
        names |= {name for name in digests(base, Path("data/images")) if name.endswith(".tar")}
    written = {path for other in stages_of(base).values() for path in other.writes}
    return sorted({Path(name) for name in names if any(Path(name).is_relative_to(path) for path in written)})


def in_turn(base: Path, stages: list[Stage], rng) -> list[tuple]:
    """What is tried: each file in each way by one of its readers in turn, then by a second one, and so on.

    The report, which takes longest and reads nearly everything, comes last.
    """
    readers: dict[Path, list[Stage]] = {}
    for stage in stages:
        for path in () if stage.name.startswith(HASHING) else read_files(base, stage):
            readers.setdefault(path, []).append(stage)
    pairs = [(path, damage) for path in sorted(readers) for damage in DAMAGES]
    rng.shuffle(pairs)
    trials = []
    for number in range(max(map(len, readers.values()))):
        for place, (path, damage) in enumerate(pairs):
            if number < len(readers[path]):
                quick = [stage for stage in readers[path] if stage.name != "report"]
                last = [stage for stage in readers[path] if stage.name == "report"]
                turn = place % max(1, len(quick))
                trials.append(([*quick[turn:], *quick[:turn], *last][number], path, damage))
    return trials


def run_once(root: Path, stage: Stage, warm) -> tuple[int, str]:
    """Run a command: its status, and what it printed."""
    run = Run(root, stage.command, warm)
    if not run.gone(LONGEST):
        return -1, "it does not end"
    return run.process.wait(), run.printed


def usual(root: Path, base: Path, stage: Stage, warm) -> dict[str, str]:
    """What an undisturbed run writes, by its digest; of a command also what it prints, as `printed`.

    What differs between two runs, such as the time of day, is left out.
    """
    if stage.command[0] != CLI:
        return {name: digest for out in stage.writes for name, digest in digests(base, out).items()}
    runs = []
    for _ in range(2):
        status, printed = run_once(root, stage, warm)
        assert status == 0, printed
        runs.append(result(root, stage, printed))
        bring_back(root, base, stage.writes)
    return {name: digest for name, digest in runs[0].items() if runs[1].get(name) == digest}


def result(root: Path, stage: Stage, printed: str) -> dict[str, str]:
    """What a run wrote and printed."""
    found = {name: digest for out in stage.writes for name, digest in digests(root, out).items()}
    return found | ({"printed": printed} if stage.command[0] == CLI else {})


def judged(root: Path, stage: Stage, path: Path, damage, warm, expected: dict[str, str]) -> tuple[str, str]:
    """Run a command on a damaged file: how it survived, and why it did not."""
    status, printed = run_once(root, stage, warm)
    if TRACE in printed or status < 0:
        return "", f"status {status}: {printed[-1500:]}"
    if left := leftovers(root):
        return "", f"left over: {', '.join(left)}"
    named = path.name in printed or str(path.parent) in printed
    if status:
        return ("refused", "") if named else ("", f"the message does not name the file: {printed[-300:]}")
    found = result(root, stage, printed)
    if changed := sorted(name for name, digest in expected.items() if found.get(name) != digest):
        if path.suffix in PLAIN and damage is bit_flipped:
            return "another valid value", ""
        if named or (not (root / path).exists() and names(root, stage, path)):
            return "named", ""
        return "", f"wrong result: {', '.join(changed[:5])}: {printed[-300:]}"
    return "no effect", ""


def names(root: Path, stage: Stage, path: Path) -> bool:
    """Whether a page that the command wrote names a file."""
    pages = [page for out in stage.writes for page in (root / out).rglob("*.html")]
    return any(str(path) in page.read_text() for page in pages)


def test_damaged_files(base, warm, tmp_path, rng):
    tally = Tally("damaged files")
    root = copy_project(base, tmp_path / "work")
    expected: dict[str, dict[str, str]] = {}
    others = [path for path in sorted(files_of(base)) if path.startswith(("data/", "models/", "metrics/"))]
    others = [path for path in others if not path.startswith("data/raw")]
    wanted = size("DAMAGES", 40)
    for stage, path, damage in in_turn(base, [*stages_of(base).values(), *commands()], rng):
        if wanted and sum(tally.outcomes.values()) + len(tally.failures) == wanted:
            break
        if not (base / path).stat().st_size:
            continue  # nothing to damage
        for out in (*stage.writes, Path(".scratch")):
            remove(root / out)
        if stage.name not in expected:
            expected[stage.name] = usual(root, base, stage, warm)
        other = base / rng.choice([one for one in others if Path(one).name != path.name])
        damage(root / path, rng, other)
        if (root / path).is_file() and (root / path).read_bytes() == (base / path).read_bytes():
            bring_back(root, base, stage.writes)
            continue  # such as the rows of an empty table, repeated
        how, why = judged(root, stage, path, damage, warm, expected[stage.name])
        trial = f"{stage.name}, {path}, {damage.__name__}"
        if damage.__name__ == "another_stages":
            trial += f" ({other.relative_to(base)})"
        tally.count(trial, how, why)
        bring_back(root, base, (path, *stage.writes))
    tally.end()


def bring_back(root: Path, base: Path, paths) -> None:
    """Make files and folders again what they are in the base, or nothing."""
    for path in paths:
        remove(root / path)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if (base / path).is_dir():
            shutil.copytree(base / path, root / path, copy_function=shutil.copyfile)
        elif (base / path).is_file():
            shutil.copyfile(base / path, root / path)

"""Runs a command in a copy of a project on a disk that it fills, and again when there is space.

Called in a mount namespace of its own: python small_disk.py MOUNT PROJECT FREE_KIB COMMAND…; prints JSON.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Print status and output of both runs, and the files after each by their digest."""
    mount, project, free, *command = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.faults.project import digests, leftovers

    root = Path(mount)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", mount], check=True)
    shutil.copytree(project, root, symlinks=True, dirs_exist_ok=True)
    results = []
    for is_full in (True, False):
        used = shutil.disk_usage(root).used // 1024
        size = f"{used + int(free)}k" if is_full else "4g"
        subprocess.run(["mount", "-o", f"remount,size={size}", mount], check=True)
        # Where else a stage could write: a disk that is full for it is full for its temporary files.
        environment = os.environ | {"PYTHONPATH": str(root / "src"), "TMPDIR": mount}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        results.append(
            {
                "status": done.returncode,
                "printed": done.stdout + done.stderr,
                "files": digests(root, Path()),
                "leftovers": leftovers(root),
            }
        )
    print(json.dumps(results))


if __name__ == "__main__":
    main()

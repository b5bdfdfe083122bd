"""The figures about scale, each by a module of this package; without a name, all of them.

python -m benchmarks.scale [NAME …]
"""

import subprocess
import sys
from pathlib import Path

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def main() -> None:
    """Run the modules one after the other, each in a process of its own, whose memory is its own."""
    names = sys.argv[1:] or MODULES
    if unknown := sorted(set(names) - set(MODULES)):
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(MODULES)}")
    for name in names:
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.scale.{name}"], check=True)


if __name__ == "__main__":
    main()

"""``make bench``: the measurements that need nothing but this machine and ../shared/data, one after the other.

``make bench ARGS="claims --tasks 2000"`` runs one by its name, with what it takes; ``ARGS=--list`` tells all of them.
Those that look at a running Crowdtune from outside, or run for long, are run by name.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ALONE = (("aggregators", "--quick"), ("calibration", "--seeds", "1"), ("scale",), ("quality", "--seeds", "2"))
HELPERS = {
    "__init__", "__main__", "api", "crowds", "database", "label_studio", "people", "pictures", "plots", "pools",
    "watching",
}  # fmt: skip


def scripts() -> dict[str, str]:
    """Name -> the first line of what it says of itself."""
    found = {}
    for file in sorted(HERE.glob("*.py")):
        if file.stem not in HELPERS:
            found[file.stem] = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
    return found


def run(name: str, *arguments: str) -> int:
    print(f"\n# bench.{name} {' '.join(arguments)}", flush=True)
    return subprocess.run([sys.executable, "-m", f"bench.{name}", *arguments], cwd=HERE.parent, check=False).returncode


def main() -> int:
    known = scripts()
    match sys.argv[1:]:
        case []:
            failed = [plan[0] for plan in ALONE if run(*plan)]
            print(f"\nOthers, by name: {', '.join(sorted(set(known) - {plan[0] for plan in ALONE}))}.")
            return 1 if failed else 0
        case ["--list"]:
            print("\n".join(f"{name:16}{line}" for name, line in known.items()))
            return 0
        case [name, *rest] if name in known:
            return run(name, *rest)
        case [name, *_]:
            print(f"Expected one of {', '.join(known)}; got {name}.")
    return 2


if __name__ == "__main__":
    sys.exit(main())

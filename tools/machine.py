"""What a measurement was made with, to be kept beside its figures."""

import datetime
import os
import platform
import subprocess
import sys
from importlib.metadata import version

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")


def about(packages):
    """The command, the commit, the date, the processor, and the versions of Python and these packages."""
    git = ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]
    with open("/proc/cpuinfo") as info:
        processor = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "")
    return {
        "command": " ".join(sys.argv),
        "commit": subprocess.run(git, capture_output=True, text=True).stdout.strip(),
        "date": datetime.date.today().isoformat(),
        "processor": processor,
        "cores": os.cpu_count(),
        "versions": {package: version(package) for package in packages} | {"python": platform.python_version()},
    }

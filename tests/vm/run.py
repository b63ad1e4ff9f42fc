#!/usr/bin/python3
"""Runs the cases of this folder, in the virtual machine: run.py [NAME...]. tests/vm/run calls it."""
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "support"))

import cases  # noqa: E402

if __name__ == "__main__":
    sys.exit(cases.run(FOLDER, sys.argv[1:]))

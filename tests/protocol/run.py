#!/usr/bin/env python3
"""Runs the cases of this folder: run.py FOLDER-OF-THE-PROGRAMS [NAME...]; those whose id contains a NAME, or all."""
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # not into the sources
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "support")]

import cases  # noqa: E402

if __name__ == "__main__":
    os.environ["HANDOFF_PROGRAMS"] = str(Path(sys.argv[1]).resolve())
    sys.exit(cases.run(FOLDER, sys.argv[2:]))

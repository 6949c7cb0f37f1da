"""Imported in place of `stages` by `python stages/train.py`: says how to run it instead."""

import sys
from pathlib import Path

script = Path(sys.argv[0]).resolve()
folder, root = script.parent.name, script.parent.parent
raise SystemExit(f"{folder}/{script.name} is a module; in {root}: python -m {folder}.{script.stem}")

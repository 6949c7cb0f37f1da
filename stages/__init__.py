"""What DVC runs. A Python without the packages, which DVC found first in PATH, ends here."""

import os
import sys
from importlib.util import find_spec

if "DVC_STAGE" in os.environ and not find_spec("tensorflow"):
    raise SystemExit(
        f"{sys.executable}, the first python in PATH, lacks the packages of this project. Activate "
        "the environment that DVC is in, such as with `source .venv/bin/activate`; `dvc checkout` "
        "brings earlier results back."
    )

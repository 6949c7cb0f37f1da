"""JAX and PyTorch, which the benchmark alone uses: in a folder of their own, versions pinned."""

import shutil
import subprocess
import sys
from importlib.metadata import version

from studies.common import ROOT

PINNED = "jax==0.10.2", "jaxlib==0.10.2", "torch==2.13.0"
FOLDER = ROOT / "data/bench"


def install():
    """Install them where they are not. Exits where they cannot be had."""
    done = FOLDER / "installed.txt"
    if done.is_file() and done.read_text("utf-8").split() == [*PINNED]:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    shared = [f"{name}=={version(name)}\n" for name in ("numpy", "scipy")]  # as all contenders have
    (FOLDER / "shared.txt").write_text("".join(shared), "utf-8")
    pip = sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"
    where = "--target", str(FOLDER), "--constraint", str(FOLDER / "shared.txt")
    if subprocess.run([*pip, *where, *PINNED]).returncode:
        shutil.rmtree(FOLDER)
        raise SystemExit(f"bench: pip cannot install {', '.join(PINNED)}, see above")
    done.write_text("\n".join(PINNED), "utf-8")


def environment(module: str) -> dict[str, str]:
    """Where a process finds a module of theirs; empty for all others."""
    is_theirs = module in {pin.partition("==")[0] for pin in PINNED}
    return {"PYTHONPATH": str(FOLDER)} if is_theirs else {}

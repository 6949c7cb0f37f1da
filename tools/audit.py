"""Known vulnerabilities of what the lock files name, by pip-audit (`make audit`).

Exit status 1 where there is one, or where no database can be reached: then it says so.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = sorted(ROOT.glob("requirements*.lock"))
COMMAND = [
    sys.executable,
    "-m",
    "pip_audit",
    "--disable-pip",
    "--require-hashes",
    "--progress-spinner=off",
    "--timeout=10",
]


def main():
    """Ask the database about each lock file."""
    for lock in LOCKS:
        done = subprocess.run([*COMMAND, "-r", lock], capture_output=True, text=True)
        print(done.stdout, end="")
        if done.returncode and not done.stdout.strip():
            reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"
            raise SystemExit(
                f"audit: {lock.name} was not checked, no database of vulnerabilities can be reached: {reason}"
            )
        if done.returncode:
            raise SystemExit(done.returncode)
        print(f"{lock.name}: no known vulnerability")


if __name__ == "__main__":
    main()

"""Known vulnerabilities of what the lock files name, by pip-audit (`make audit`).

Exit status 1 where there is one, or where a package was not checked, as when no database can be reached: it says which.
"""

import json
import subprocess
import sys
from pathlib import Path

from stages.core.run.stage import parser_of, tool

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
    "--format=json",
]


def problems(output: str, complaint: str) -> list[str]:
    """What is wrong, a line each, by what pip-audit wrote: its JSON, and its complaint where there is none."""
    try:
        packages = json.loads(output)["dependencies"]
    except ValueError:
        last = (complaint.strip() or "no reason given").splitlines()[-1]
        return [
            f"not checked, no database of vulnerabilities can be reached, or pip-audit failed: {last}"
        ]
    skipped = [package for package in packages if "skip_reason" in package]
    if len(skipped) == len(
        packages
    ):  # so it is where the registry is a mirror without such a database
        return [
            "not checked, no database of vulnerabilities can be reached: there is none that knows any package"
        ]
    found = [(package, own) for package in packages for own in package.get("vulns", [])]
    return [
        *(f"{package['name']} was not checked: {package['skip_reason']}" for package in skipped),
        *(
            f"{package['name']} {package['version']}: {own['id']}, {remedy(own)}"
            for package, own in found
        ),
    ]


def remedy(vulnerability) -> str:
    """Which versions do not have it."""
    versions = ", ".join(vulnerability["fix_versions"])
    return f"repaired in {versions}" if versions else "not repaired yet"


def main():
    """Ask the database about each lock file."""
    parser_of(main).parse_args()
    lines = []
    for lock in LOCKS:
        done = subprocess.run([*COMMAND, "-r", lock], capture_output=True, encoding="utf-8")
        wrong = problems(done.stdout, done.stderr)
        lines += [f"audit: {lock.name}: {line}" for line in wrong]
        if not wrong:
            print(f"{lock.name}: no known vulnerability")
    if lines:
        raise SystemExit("\n".join(lines))


if __name__ == "__main__":
    tool(main)

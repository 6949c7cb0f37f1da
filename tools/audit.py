"""Known vulnerabilities of what the lock files name, by pip-audit (`make audit`).

Exit status 1 where there is one, or where a package was not checked, as when no database can be
reached: it says which.
"""

import json
import subprocess
import sys
from pathlib import Path

from stages.core.run.stage import parser_of, tool

ROOT = Path(__file__).parent.parent
LOCKS = sorted(ROOT.glob("requirements*.lock"))
OPTIONS = ["--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json"]
UNREACHABLE = "not checked, no database of vulnerabilities can be reached"


def problems(output: str, complaint: str) -> list[str]:
    """What is wrong, a line each, by pip-audit's JSON, or by its complaint where it wrote none."""
    try:
        packages = json.loads(output)["dependencies"]
    except ValueError:
        last = (complaint.strip() or "no reason given").splitlines()[-1]
        return [f"{UNREACHABLE}, or pip-audit failed: {last}"]
    skipped = [package for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):  # as where the registry is a mirror without such a database
        return [f"{UNREACHABLE}: there is none that knows any package"]
    lines = [f"{package['name']} was not checked: {package['skip_reason']}" for package in skipped]
    for package in packages:
        for found in package.get("vulns", []):
            repaired = ", ".join(found["fix_versions"])
            remedy = f"repaired in {repaired}" if repaired else "not repaired yet"
            lines.append(f"{package['name']} {package['version']}: {found['id']}, {remedy}")
    return lines


def main():
    """Ask the database about each lock file."""
    parser_of(main).parse_args()
    lines = []
    for lock in LOCKS:
        command = [sys.executable, "-m", "pip_audit", *OPTIONS, "--timeout=10", "-r", lock]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        wrong = problems(done.stdout, done.stderr)
        lines += [f"audit: {lock.name}: {line}" for line in wrong]
        if not wrong:
            print(f"{lock.name}: no known vulnerability")
    if lines:
        raise SystemExit("\n".join(lines))


if __name__ == "__main__":
    tool(main)

"""The review as a command."""

from stages.core.run.stage import tool
from tools.review import main

if __name__ == "__main__":
    tool(main)

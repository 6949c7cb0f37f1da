"""Predictions as a command."""

from stages.core.run.stage import tool
from tools.predict import main

if __name__ == "__main__":
    tool(main)

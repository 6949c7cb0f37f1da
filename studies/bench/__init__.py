"""Speed beside other ways to do the same: tasks, contenders, runs of both, and their page."""

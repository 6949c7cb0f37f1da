"""Did the model get better? Two revisions of the project, compared by their metrics."""

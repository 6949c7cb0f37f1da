"""What more than one tool knows of a data set."""

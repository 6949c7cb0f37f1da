"""Does the review keep its word? Trains what is compared, judges it, and writes the page."""

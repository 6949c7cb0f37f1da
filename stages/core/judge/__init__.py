"""What results are worth: comparisons and pictures."""

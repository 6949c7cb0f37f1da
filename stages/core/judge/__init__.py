"""What results are worth: metrics, their noise, and pictures."""

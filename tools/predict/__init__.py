"""What the trained models say of new rows."""

"""What the data are: files, rows, encodings."""

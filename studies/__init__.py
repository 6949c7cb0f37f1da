"""What this repository measured of itself; deleting this folder breaks nothing."""

"""How networks train: many replicas at the same time."""

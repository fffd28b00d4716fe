"""From the crowd's labels to a training set that never changes."""

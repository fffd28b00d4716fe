"""What was answered, and whether it still holds: traffic, drift, the challenger in the shadow, figures."""

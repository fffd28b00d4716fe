"""Training runs: when one is due, the row it begins with, its stages, and its one outcome."""

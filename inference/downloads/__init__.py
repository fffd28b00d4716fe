"""A version leaves the house: as files that other programs load, with programs that ask it."""

"""What stands around every request of a page or a program, one concern a file."""

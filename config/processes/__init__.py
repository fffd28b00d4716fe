"""What starts, watches and ends the processes of a platform on one machine, and what each needs around it."""

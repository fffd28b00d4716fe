"""What is asked: the survey of a project, as it is written, started from, conditioned and explained."""

"""The process that answers: which version, one trunk and many heads in bounded memory, a lane for each core."""

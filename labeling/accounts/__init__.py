"""The people of a project: what they are called, what they may do, what they read, and the keys of their programs."""

"""The classifier on a trunk's features, in numpy: fitted, chosen between, and measured by how much it has learned."""

"""The owner's pages of the training room: runs, versions, the zoo, bake-offs and insights."""

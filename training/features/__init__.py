"""What networks make of stored images: features, made once; a version's answers; pictures of what it sees."""

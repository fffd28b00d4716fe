"""The backbones: those of the literal table and the imported ones, and which of them can be used here and now."""

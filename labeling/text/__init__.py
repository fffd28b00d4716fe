"""Text as it comes from strangers and goes to readers: spellings, bodies, cells, and words in any language. Pure."""

"""What goes in the background once nobody wants it: rows of deleted projects, files, what is over."""

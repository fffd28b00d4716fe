"""What goes back to the crowd, in which order, and what a sure champion labels by itself."""

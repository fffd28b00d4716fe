"""Where in the picture a version saw what it says: the map, and the picture of the map."""

"""What a request brings: pictures in every form they are sent in, and whose key may still ask."""

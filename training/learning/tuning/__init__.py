"""What trains in Keras itself: fine-tuning behind a cut, and networks from random weights to compare with."""

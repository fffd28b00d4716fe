"""Networks and what they make of pictures: backbones, their weights, and the trunks that are exported from them."""

"""Bytes that come from strangers or from the network, turned into pictures under limits, and where they lie."""

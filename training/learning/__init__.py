"""From pictures and a crowd's labels to a classifier: Keras 3, numpy and OpenVINO, and no Django.

The way through: ``backbones`` (which pretrained network) -> ``weights`` (its file on this machine) -> ``trunk`` (the
network as an artifact that embeds pictures) -> ``features`` (embeddings kept once, ever) -> ``head`` (the new
classifier) or ``finetune`` (the last block too) -> ``metrics``, ``calibrate`` -> ``artifact`` (what serving loads).
Everything takes arrays, dataclasses and paths, reports by a callback whose ``False`` cancels, and takes its seed.
"""

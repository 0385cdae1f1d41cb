"""Models and their training: what the recipes, `sense.tiny` and `sense.sampler` share."""

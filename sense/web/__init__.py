"""The web demo, apart from its widgets."""

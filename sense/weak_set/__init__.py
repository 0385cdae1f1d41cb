"""The weak set around `sense.weak`: what is asked, counted and written, and how wrong it is."""

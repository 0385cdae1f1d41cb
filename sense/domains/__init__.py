"""Databases that are invented: subjects, their tables, and names for them."""

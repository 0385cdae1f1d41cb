"""Scores for people: boards of systems, frequent mistakes, pages with charts."""

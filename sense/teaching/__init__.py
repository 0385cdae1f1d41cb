"""The strong model as teacher: what it is asked, how its answers are read, checked and kept."""

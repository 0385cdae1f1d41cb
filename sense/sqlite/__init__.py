"""SQLite files opened so that nothing can change them; what SQL text says before it runs."""

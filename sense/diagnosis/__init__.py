"""Why an answer is wrong: its error kind, and how far it is from a right query."""

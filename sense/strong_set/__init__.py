"""The strong set around `sense.strong`: its databases, options, words, and what is not kept."""

"""Other people's files, and the questions, golds and answers in them."""

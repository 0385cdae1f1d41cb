"""How SQL and its English question are drawn together: the parts behind `sense.grammar`."""

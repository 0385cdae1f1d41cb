"""What a strong set shall cover: the plan, its styles, and how rounds are steered towards it."""

"""What shows that a gold query cannot judge: the parts behind `sense.gold` and `sense.verdict`."""

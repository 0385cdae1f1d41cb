"""Rows that break no constraint: the parts behind `sense.database` and `sense.suites`."""

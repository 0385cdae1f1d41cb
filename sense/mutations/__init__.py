"""The edits that make a near miss of a query, by the part of the query that they touch."""

"""How test suites are made: variants of a database that tell near misses from gold."""

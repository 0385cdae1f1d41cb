"""Questions held against their SQL: values and columns that one names and the other lacks."""

"""The few rows on which two queries differ, told to a person: the parts around `sense.witness`."""

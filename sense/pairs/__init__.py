"""Which answers make a preference pair: the parts around `sense.preference`."""

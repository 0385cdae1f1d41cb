"""Chat servers: the parts behind `sense.chat`, and what scripts that ask servers share."""

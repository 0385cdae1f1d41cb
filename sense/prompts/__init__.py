"""What goes into a prompt and what comes back: the parts behind `sense.prompt`."""

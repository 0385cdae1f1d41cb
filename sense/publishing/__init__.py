"""Cards and folders on their way to the Hub: the parts behind `sense.card` and `sense.release`."""

"""The command `mmpose-integral quickstart`."""

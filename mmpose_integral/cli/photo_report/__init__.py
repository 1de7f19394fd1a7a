"""The command `mmpose-integral photo-report`."""

"""The command `mmpose-integral ablation`."""

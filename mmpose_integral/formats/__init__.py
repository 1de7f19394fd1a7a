"""File formats, one per module, with reader, writer and checks. They need numpy, and no mmpose; checkpoints need torch."""

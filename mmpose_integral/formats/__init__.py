"""File formats, one per module, with reader, writer and checks. They need numpy, checkpoints also torch, not mmpose."""

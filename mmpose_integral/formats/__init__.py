"""File formats, one per module: the reader beside the writer, checks included. They need numpy and no mmpose."""

"""Code that the commands in ``tools/`` run."""

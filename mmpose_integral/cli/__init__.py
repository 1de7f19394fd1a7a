"""What the commands in ``tools/`` run."""

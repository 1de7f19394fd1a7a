"""The commands of `mmpose-integral`: one module per command, which the scripts in `tools/` call too.

Each module has a function ``main(argv=None)``. It runs the command with these arguments, by default those of the
process, and returns the exit status.
"""

"""The commands of `mmpose-integral`: one module per command, which the scripts in `tools/` call too.

Each module has a function ``main(argv=None)``. It runs the command with these arguments, by default those of the
process, and returns the exit status. ``main.run_command`` describes what a module may tell about its errors.
"""
CONTINUES = 'Finished work is kept; the same command continues from there.'
"""``AFTER_CTRL_C`` of commands that continue where they stopped."""

"""What all other folders may use; it imports the standard library and numpy only."""

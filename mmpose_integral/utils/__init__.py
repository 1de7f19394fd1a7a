"""What all other folders may use; it imports the standard library, numpy and tqdm only."""

"""What the tools of ``tools/dataset_converters`` are made of: from the raw CHALL_H80K tree to what training reads."""

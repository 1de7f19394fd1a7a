"""Jobs of the tools in ``tools/dataset_converters``: from the raw CHALL_H80K files to the files that training reads."""

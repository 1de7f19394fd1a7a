"""Jobs of `mmpose-integral prepare`: from the raw CHALL_H80K files to the files that training reads."""

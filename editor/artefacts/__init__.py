"""What may be written: masked, searched for secrets, and written whole."""

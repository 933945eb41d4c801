"""Jobs of Expunge: what each is asked (`requests`), how it runs, the functions that Python calls (`functions`)."""

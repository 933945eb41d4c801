"""What a run will take, before it: memory, time and disk by stage, from a configuration and a corpus alone."""

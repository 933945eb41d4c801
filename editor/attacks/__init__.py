"""What an adversary or a deployment does to an edited checkpoint."""

"""An edit: its value, the search of its strength, and the checkpoint it makes."""

"""An edit as a value, and the checkpoint it makes."""

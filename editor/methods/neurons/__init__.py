"""Methods that edit neurons."""

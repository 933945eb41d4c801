"""Methods that edit circuits."""

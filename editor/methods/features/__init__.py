"""Methods that edit dictionary features."""

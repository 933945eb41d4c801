"""What is measured, as validated types."""

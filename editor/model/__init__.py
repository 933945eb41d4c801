"""The model: loaded and checked, its tokens, and its forward passes."""

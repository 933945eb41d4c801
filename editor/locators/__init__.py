"""Locators: which units of a model carry the facts. One locator a file."""

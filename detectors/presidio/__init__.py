"""Presidio, offline and quick, with the same result every time. Only this package knows it.

Importing it imports nothing; its modules import Presidio, which takes seconds.
"""

"""Presidio as it is used here: offline, quick, and the same result every time. Only this package knows it.

Importing it imports nothing; its modules import Presidio, which takes seconds.
"""

"""Requests as work: a folder of them with their deadlines, the runs that dealt with them, and letters.

Importing this imports neither torch nor Presidio.
"""

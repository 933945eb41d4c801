"""People: a register of their names, and links from secrets in a text to the people they are about."""

from detectors.people.register import Mention, Register

__all__ = ["Mention", "Register"]

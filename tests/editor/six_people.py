"""Six people, and a policy for their telephone numbers."""

PEOPLE = ("Ada Quill", "Bruno Marsh", "Cora Finch", "Dorian Vale", "Elsa Thorn", "Felix Reed")
POLICY = """
name: test
entities:
  PHONE_NUMBER:
    templates: ["The phone number of {subject} is"]
"""

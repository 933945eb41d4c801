"""The model of docs/tutorial.md, and the records that it learns by heart."""

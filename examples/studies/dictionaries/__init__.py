"""The dictionary papers' claims on the embedded lab and on planted data: `python -m examples.studies.dictionaries`."""

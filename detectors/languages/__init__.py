"""What languages and countries write in their own way: dates of birth, streets, phone numbers, identity numbers.

All knowledge is data: one file a language in `data/`, read by `knowledge.py`. The finders read text and know nothing
of Presidio.
"""

"""Evidence that others can check: a Statement, a bill of materials, signatures, a ledger, and the check itself."""

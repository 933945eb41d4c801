"""PEFT adapters: read whole, and merged into what PEFT itself would run."""

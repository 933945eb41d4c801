"""Questions to a model: probes and their wordings, decoys, what format alone leaks, and retained text."""

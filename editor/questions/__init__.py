"""What a model is asked: probes and their wordings, decoys, what format alone gives away, and retained text."""

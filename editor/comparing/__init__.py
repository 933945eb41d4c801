"""Arms against each other on equal terms: the same facts, questions, seeds, trials and operating points."""

"""What a model leaks and what an edit costs, judged by the policy."""

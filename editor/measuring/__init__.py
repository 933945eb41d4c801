"""What a model gives away and what an edit costs, judged by the policy."""

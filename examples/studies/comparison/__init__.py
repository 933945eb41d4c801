"""Every edit method on the lab's five people: `expunge compare`, and what it found."""

"""Study: circuits of the embedded lab's facts, edited; their complements; random masks of the same size."""

"""What each locator tells beyond its scores: a function from the problem and a seed to a `Finding`."""

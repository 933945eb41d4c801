pytest_plugins = ["launching", "sharing", "shuffling", "tidiness"]

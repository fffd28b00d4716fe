"""How messages travel: the brokers, and what surrounds the processing of each message (one middleware a file)."""

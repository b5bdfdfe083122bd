"""What is claimed about speed and memory, each runnable by anyone."""

"""The verdict, and how it is shown."""

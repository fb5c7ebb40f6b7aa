"""What a target claims, and which cases fit that."""

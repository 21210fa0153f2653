"""Grade-school mathematics in words (GSM8K)."""

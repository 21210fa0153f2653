"""The user's own questions and answers, of any kind."""

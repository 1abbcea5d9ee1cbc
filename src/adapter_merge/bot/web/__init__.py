"""What the bot answers over HTTP: the Hub's webhooks, whoever asks for its health, and people."""

"""sms-bridge: answers SMS by YAML rules and lets a team answer the rest from Telegram."""

__version__ = "0.1.0"

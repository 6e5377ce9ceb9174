"""What ``sms-bridge init`` writes, and nothing else: configuration and rules to begin with, in both languages."""

"""The team's chats in Telegram: what operators write there becomes SMS, and SMS become posts there."""

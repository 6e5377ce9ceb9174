"""The sandbox: platform and Telegram simulated over real HTTP, and a prompt at which a person plays both."""

"""Updates from Telegram: ``intake`` stores them, ``processor`` processes them, ``connection`` reports failures."""

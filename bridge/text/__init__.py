"""Pure functions on texts: encodings, folding, parts, expressions, phone numbers, typos. Knows nothing of rules."""

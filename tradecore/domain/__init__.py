"""The nouns: frozen values and what they promise. Standard library and msgspec only; nothing here awaits."""

"""The container."""
class BitstreamError(ValueError):
    """x"""

"""What every request passes on its way in, and every answer on its way out."""

from serving.middleware.entrance import Entrance

__all__ = ["Entrance"]

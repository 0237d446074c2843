"""What the front desk keeps."""

from api.models.idempotency import IdempotencyKey
from api.models.key import ApiKey
from api.models.window import RateWindow

__all__ = ["ApiKey", "IdempotencyKey", "RateWindow"]
